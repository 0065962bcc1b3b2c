# One image for every function: Knative sets K_SERVICE, and start.ts serves the function of that name.
ARG NODE_IMAGE=node:24-slim
FROM ${NODE_IMAGE}
USER 0
WORKDIR /shop
# objects that live short get 32 MB in place of 128; the limit of the heap is the container's
ENV NODE_ENV=production NODE_COMPILE_CACHE=/shop/.compile-cache NODE_OPTIONS=--max-semi-space-size=16
COPY package.json package-lock.json .npmrc ./
# the base image has its own Node; the one from npm is for machines without
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
# every function is loaded once, so that none has to be parsed at its start
RUN node knative/fill-compile-cache.ts
# numeric, because Pod Security wants to see that it is not root
USER 1000
EXPOSE 8080
ENTRYPOINT ["sh", "platform/runtime/init.sh"]
CMD ["node", "start.ts"]
