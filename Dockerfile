# snap serve in a container: docs/docker.md says how, docs/compose.example.yaml is a beginning.

FROM node:20-bookworm-slim AS build
# For packages that have nothing prebuilt for this machine.
RUN apt-get update \
  && apt-get install -y --no-install-recommends g++ make python3 \
  && rm -rf /var/lib/apt/lists/*
WORKDIR /app
COPY package.json package-lock.json ./
RUN npm ci --no-audit --no-fund
COPY . .
RUN npm run build && npm prune --omit=dev --no-audit --no-fund

FROM node:20-bookworm-slim
# SQLite needs no client. Dumps of database servers do: "postgresql-client mariadb-client". A dumper must not be older than
# its server; Debian 12 has those of Postgres 15 and MariaDB 10.11.
ARG DATABASE_CLIENTS=""
RUN if [ -n "$DATABASE_CLIENTS" ]; then \
    apt-get update \
    && apt-get install -y --no-install-recommends $DATABASE_CLIENTS \
    && rm -rf /var/lib/apt/lists/*; \
  fi
WORKDIR /app
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist/engine ./dist/engine
COPY --from=build /app/dist/cli ./dist/cli
COPY --from=build /app/dist/server ./dist/server
COPY --from=build /app/package.json /app/LICENSE ./
# A new volume gets the owner of the folder that it is mounted over.
RUN mkdir -p /repository /state /cache && chown node:node /repository /state /cache
ENV NODE_ENV=production \
  SNAP_REPOSITORY=/repository \
  SNAP_STATE_DIR=/state \
  SNAP_CACHE_DIR=/cache \
  SNAP_LISTEN=0.0.0.0:8480
USER node
EXPOSE 8480
# With a base path, another one belongs into the compose file: it answers below that path.
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch('http://127.0.0.1:8480/healthz').then(({ ok }) => process.exit(ok ? 0 : 1), () => process.exit(1))"]
ENTRYPOINT ["node", "/app/dist/cli/main.js"]
CMD ["serve"]
