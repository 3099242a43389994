ARG DEBIAN=debian:bookworm-slim
FROM ${DEBIAN}
RUN apt-get update && apt-get install -y --no-install-recommends prometheus \
	&& rm -rf /var/lib/apt/lists/* && install -d -o prometheus -g prometheus /prometheus
USER prometheus
VOLUME ["/prometheus"]
ENTRYPOINT ["prometheus", "--config.file=/etc/prometheus/prometheus.yml", "--storage.tsdb.path=/prometheus"]
