# Prometheus from Debian's package; it asks for a login from the first day (prometheus-entrypoint.sh).
#   docker build -t localhost/faultline/prometheus:dev -f k8s/images/prometheus.Dockerfile k8s/images
#   buildah bud --isolation chroot --build-arg BASE=localhost/debian:12 -t localhost/faultline/prometheus:dev -f k8s/images/prometheus.Dockerfile k8s/images
ARG BASE=debian:12-slim

FROM ${BASE}
RUN apt-get update && apt-get install -y --no-install-recommends prometheus \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /usr/share/doc/* /usr/share/locale/* /usr/share/man/*
COPY prometheus-entrypoint.sh /usr/local/bin/prometheus-entrypoint
USER 65532:65532
ENTRYPOINT ["/bin/sh", "/usr/local/bin/prometheus-entrypoint"]
