# One image for all functions: Knative sets K_SERVICE, and start.ts serves the function of that name.
ARG NODE_IMAGE=node:24-slim
FROM ${NODE_IMAGE}
USER 0
WORKDIR /shop
# limits V8's young generation to 32 MB instead of 128; the container limits the heap
ENV NODE_ENV=production NODE_COMPILE_CACHE=/shop/.compile-cache NODE_OPTIONS=--max-semi-space-size=16
COPY package.json package-lock.json .npmrc ./
# the base image has Node; the one from npm is for machines without Node 24
RUN npm ci --omit=dev --no-audit --no-fund && rm -rf node_modules/node-linux-* node_modules/.bin/node
COPY start.ts ./
COPY local/preload.cjs local/preload.cjs
COPY api api
COPY events events
COPY broker broker
COPY platform platform
COPY database database
COPY functions functions
COPY web web
COPY knative/fill-compile-cache.ts knative/fill-compile-cache.ts
# loads every function once, so that none is parsed at its start
RUN node knative/fill-compile-cache.ts
# numeric, so that Pod Security can verify that it is not root
USER 1000
EXPOSE 8080
ENTRYPOINT ["sh", "platform/runtime/init.sh"]
CMD ["node", "start.ts"]
