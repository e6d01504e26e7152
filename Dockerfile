# An image with Debian's nginx and the module:
#
#     docker build -t nginx-auth . && docker run -p 8080:8080 nginx-auth
#
# The image runs nginx-conf/bearer.conf. Mount your keys as /etc/nginx/keys.json, and your own
# configuration over /etc/nginx/conf.d. docs/containers.md says more.

# Both stages need the same nginx, because a module works with one version only. NGINX names the
# version for apt, as `apt-cache policy nginx` prints it; the star stands for any. A release of Debian
# has one or two, and drops the older ones.
ARG DEBIAN=bookworm
ARG NGINX=*

FROM rust:1.95-slim-$DEBIAN AS build
ARG NGINX
RUN apt-get update && apt-get install -y --no-install-recommends \
        build-essential libclang-dev libpcre2-dev libssl-dev pkg-config zlib1g-dev \
        "nginx=$NGINX" "nginx-common=$NGINX" "nginx-dev=$NGINX"
WORKDIR /build
COPY . .
RUN ./scripts/build --nginx debian --release

FROM debian:$DEBIAN-slim
ARG NGINX
RUN apt-get update && apt-get install -y --no-install-recommends \
        "nginx=$NGINX" "nginx-common=$NGINX" libgcc-s1 \
    && rm -rf /var/lib/apt/lists/* /var/log/*.log /etc/nginx/sites-enabled/* \
    # nginx runs without root: on a port above 1023, and with folders that its user can write to.
    && sed -i -e '/^user /d' -e '/^worker_processes /d' -e 's|^pid .*|pid /var/lib/nginx/nginx.pid;|' \
        -e 's|^error_log .*|error_log stderr;|' /etc/nginx/nginx.conf \
    && chown -R www-data:www-data /var/lib/nginx /var/log/nginx \
    && ln -sf /dev/stdout /var/log/nginx/access.log \
    && echo 'load_module modules/ngx_http_auth_module.so;' >/etc/nginx/modules-enabled/50-auth.conf
COPY --from=build /build/target/modules/debian-release/ngx_http_auth_module.so /usr/lib/nginx/modules/
COPY nginx-conf/ /usr/share/doc/nginx-auth/
# For `include auth-proxy.conf`.
COPY nginx-conf/auth-proxy.conf /etc/nginx/
COPY nginx-conf/bearer.conf nginx-conf/health.conf /etc/nginx/conf.d/
# www-data. Kubernetes wants the number, to see that it is not root.
USER 33:33
EXPOSE 8080 8081
# One request to health.conf, by the shell itself: the image needs no curl.
HEALTHCHECK --interval=10s --timeout=3s CMD ["bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/8081 && \
    printf 'GET /healthz HTTP/1.0\\r\\n\\r\\n' >&3 && read -r line <&3 && [[ $line == *' 204 '* ]]"]
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off; worker_processes auto;"]
