# Images of the server, and of an agent to try out with: `docker build --target server .`, `docker build --target agent .`. What users put
# into their own images is the executable: see agent/Dockerfile. `npm run test:images` builds and runs all three.

ARG NODE_IMAGE=node:24.21.0-trixie-slim

# What runs in production, and nothing else: no tools, and no PostgreSQL, which the server has at DATABASE_URL.
FROM ${NODE_IMAGE} AS dependencies
# For whoever builds behind a mirror, or an inspecting proxy: build arguments, which stay out of the images.
ARG npm_config_registry
ARG NODE_EXTRA_CA_CERTS
WORKDIR /kelpie
COPY package.json package-lock.json .npmrc ./
RUN npm ci --omit=dev --omit=optional --ignore-scripts && rm -rf /root/.npm

# The dashboard's files, made by tools that stay behind.
FROM ${NODE_IMAGE} AS dashboard
ARG npm_config_registry
ARG NODE_EXTRA_CA_CERTS
WORKDIR /kelpie
COPY package.json package-lock.json .npmrc ./
RUN npm ci --ignore-scripts && rm -rf /root/.npm
COPY tsconfig.json ./
COPY lib lib
COPY server server
COPY deploy deploy
COPY dashboard dashboard
RUN node deploy/build-dashboard.ts

# The server's own files belong to root: who breaks into it can't change them.
FROM ${NODE_IMAGE} AS server
ENV NODE_ENV=production KELPIE_HOST=0.0.0.0
WORKDIR /kelpie
COPY --from=dependencies /kelpie/node_modules node_modules
COPY package.json LICENSE* ./
COPY lib lib
COPY db db
COPY core core
COPY schema schema
COPY server server
COPY --from=dashboard /kelpie/dist/dashboard dist/dashboard
# By number, so that Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 4000
# Alive, not ready: a database that is away is no reason to start this anew.
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.KELPIE_PORT ?? 4000}/livez`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "server/main.ts"]

# An agent whose jobs can be what Node and a shell can run, with the examples' jobs in it.
FROM ${NODE_IMAGE} AS agent
ENV NODE_ENV=production
WORKDIR /kelpie
COPY --from=dependencies /kelpie/node_modules node_modules
COPY package.json LICENSE* ./
COPY lib lib
COPY agent agent
COPY client-examples/jobs client-examples/jobs
RUN mkdir /work && chown 1000:1000 /work
USER 1000:1000
WORKDIR /work
CMD ["node", "/kelpie/agent/main.ts"]
