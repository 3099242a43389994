# HAProxy with the shipped files. It is not root, so it has no chroot. If you already run HAProxy,
# use haproxy/bolt-on.cfg instead.
ARG DEBIAN=debian:bookworm-slim
FROM ${DEBIAN}
RUN groupadd -r -g 990 haproxy && groupadd -r -g 991 tollgate \
	&& useradd -r -u 990 -g haproxy -G tollgate -d /nonexistent haproxy \
	&& apt-get update && apt-get install -y --no-install-recommends haproxy ca-certificates \
	&& rm -rf /var/lib/apt/lists/* && mkdir -p /etc/haproxy/tollgate
COPY haproxy/haproxy.cfg /etc/haproxy/haproxy.cfg
COPY haproxy/tollgate.cfg haproxy/spoe.cfg haproxy/503.http haproxy/origins.lst /etc/haproxy/tollgate/
# One provider, whose address is in PROVIDER. The shipped haproxy.cfg has examples for others.
COPY docker/edge.sed docker/health.cfg /etc/haproxy/
COPY docker/haproxy-start docker/haproxy-health /usr/bin/
RUN sed -i -f /etc/haproxy/edge.sed /etc/haproxy/haproxy.cfg
ARG DEBIAN
ARG VERSION=0.3.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="tollgate-haproxy" \
	org.opencontainers.image.description="HAProxy with the files of tollgate" \
	org.opencontainers.image.version="${VERSION}" \
	org.opencontainers.image.revision="${REVISION}" \
	org.opencontainers.image.licenses="Apache-2.0" \
	org.opencontainers.image.documentation="README.md" \
	org.opencontainers.image.base.name="${DEBIAN}"
# the same settings as in docs/haproxy.service.conf
ENV MALLOC_MMAP_THRESHOLD_=4194304 MALLOC_TRIM_THRESHOLD_=67108864 MALLOC_TOP_PAD_=4194304
USER haproxy
EXPOSE 8080 8405
# SIGUSR1: HAProxy finishes its requests and exits
STOPSIGNAL SIGUSR1
# HAProxy serves, and the daemon responds to it
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s CMD ["haproxy-health"]
ENTRYPOINT ["haproxy-start", "-f", "/etc/haproxy/haproxy.cfg", "-f", "/etc/haproxy/tollgate/tollgate.cfg", "-f", "/etc/haproxy/health.cfg"]
