# An image with Debian 12's nginx and the module:
#
#     docker build -t nginx-auth . && docker run -p 8080:8080 nginx-auth
#
# The image runs nginx-conf/bearer.conf. Mount your keys as /etc/nginx/keys.json, and your own
# configuration over /etc/nginx/conf.d.

# Both stages need the same nginx version, because a module works with one version only. The star
# stands for Debian's own patches.
ARG NGINX=1.22.1-*

FROM rust:1.95-slim-bookworm AS build
ARG NGINX
RUN apt-get update && apt-get install -y --no-install-recommends \
        build-essential libclang-dev libpcre2-dev libssl-dev pkg-config zlib1g-dev \
        "nginx=$NGINX" "nginx-dev=$NGINX"
WORKDIR /build
COPY . .
RUN ./scripts/build --nginx debian --release

FROM debian:bookworm-slim
ARG NGINX
RUN apt-get update && apt-get install -y --no-install-recommends "nginx=$NGINX" libgcc-s1 libssl3 \
    && rm -rf /var/lib/apt/lists/* /etc/nginx/sites-enabled/* \
    # nginx runs without root: on a port above 1023, and with folders that its user can write to.
    && sed -i -e '/^user /d' -e 's|^pid .*|pid /var/lib/nginx/nginx.pid;|' \
        -e 's|^error_log .*|error_log stderr;|' /etc/nginx/nginx.conf \
    && chown -R www-data:www-data /var/lib/nginx /var/log/nginx \
    && ln -sf /dev/stdout /var/log/nginx/access.log \
    && echo 'load_module modules/ngx_http_auth_module.so;' >/etc/nginx/modules-enabled/50-auth.conf
COPY --from=build /build/target/modules/debian-release/ngx_http_auth_module.so /usr/lib/nginx/modules/
COPY nginx-conf/ /usr/share/doc/nginx-auth/
COPY nginx-conf/bearer.conf /etc/nginx/conf.d/
USER www-data
EXPOSE 8080
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
