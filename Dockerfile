# tiergate and LiteLLM Proxy. Two stages: the first installs from the lock files, the second holds the result and no compiler.
# Pinned by tag: a digest could not be read where this was written. Put yours behind the tag (FROM image:tag@sha256:...).
FROM python:3.11.13-slim-bookworm AS build
# The version that the wheel gets; a build context has no git history.
ARG VERSION=0.1.0.dev0
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 SETUPTOOLS_SCM_PRETEND_VERSION=${VERSION}
RUN python -m venv /opt/tiergate
WORKDIR /src
COPY requirements/image.txt requirements/
RUN /opt/tiergate/bin/python -m pip install --no-deps --require-hashes -r requirements/image.txt
COPY pyproject.toml README.md LICENSE ./
COPY plugins plugins
COPY classifier classifier
COPY litellm_config litellm_config
RUN /opt/tiergate/bin/python -m pip install --no-deps --no-build-isolation .

FROM python:3.11.13-slim-bookworm
ARG VERSION=0.1.0.dev0
LABEL org.opencontainers.image.title="tiergate" \
      org.opencontainers.image.description="LiteLLM Proxy with tiergate: each request gets the cheapest thing that is good enough" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}"
RUN groupadd --gid 10001 tiergate && useradd --uid 10001 --gid 10001 --no-create-home --home-dir /tmp tiergate \
    && install -d -o 10001 -g 10001 /data
COPY --from=build /opt/tiergate /opt/tiergate
COPY --chown=root:root litellm_config /config
ENV PATH=/opt/tiergate/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 HOME=/tmp \
    LITELLM_LOCAL_MODEL_COST_MAP=True LITELLM_UI_PATH=/tmp/litellm-ui
USER 10001:10001
# Relative paths of policy.yaml (./data/...) lead to /data. The root file system may be read-only: only /data and /tmp are written.
WORKDIR /data
VOLUME /data
EXPOSE 4000
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:4000/health/liveliness', timeout=4)"]
ENTRYPOINT ["litellm"]
CMD ["--config", "/config/config.yaml", "--host", "0.0.0.0", "--port", "4000"]
