# HAProxy with the shipped files: not root, hence no chroot. In place of your own HAProxy in
# containers; the bolt-on for yours is in haproxy/bolt-on.cfg.
ARG DEBIAN=debian:bookworm-slim
FROM ${DEBIAN}
RUN groupadd -r -g 990 haproxy && groupadd -r -g 991 tollgate \
	&& useradd -r -u 990 -g haproxy -G tollgate -d /nonexistent haproxy \
	&& apt-get update && apt-get install -y --no-install-recommends haproxy ca-certificates \
	&& rm -rf /var/lib/apt/lists/* && mkdir -p /etc/haproxy/tollgate
COPY haproxy/haproxy.cfg /etc/haproxy/haproxy.cfg
COPY haproxy/tollgate.cfg haproxy/spoe.cfg haproxy/503.http haproxy/origins.lst /etc/haproxy/tollgate/
# One provider, by its address in PROVIDER; yours are in haproxy.cfg as it is shipped.
RUN sed -i -e '/^    chroot /d; /^    user haproxy/d; /^    group haproxy/d' \
	-e 's#^    server local .*#    server local "${PROVIDER}" init-addr last,libc,none resolvers dns check#' \
	-e '/^backend openai/,/^$/d; /^backend anthropic/,/^$/d; /use_backend anthropic/d; s/use_backend openai/use_backend local/' \
	/etc/haproxy/haproxy.cfg
USER haproxy
EXPOSE 8080
# SIGUSR1 lets requests end
STOPSIGNAL SIGUSR1
ENTRYPOINT ["haproxy", "-W", "-db", "-f", "/etc/haproxy/haproxy.cfg", "-f", "/etc/haproxy/tollgate/tollgate.cfg"]
