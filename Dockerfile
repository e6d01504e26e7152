# Debian 12's nginx with the module: docker build -t nginx-auth . && docker run -p 8080:8080 nginx-auth
# It runs nginx-conf/bearer.conf; mount your keys as /etc/nginx/keys.json and your servers over /etc/nginx/conf.d.

# Both stages have the same nginx, since a module fits one version only; Debian's own patches of it may go on.
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
    # Without root: another port than 80, and folders that are the user's own.
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
