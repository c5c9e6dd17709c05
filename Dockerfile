# An image that serves: no torch, no compiler, no root. `docker compose up` builds and uses it.
# For another Python, change both FROM lines: what the first stage installs, the second runs.

FROM python:3.11.14-slim-bookworm AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /build
RUN python -m venv --without-pip /opt/genpage
# What serving needs, as locked, in ready-made wheels: nothing is compiled.
COPY requirements/serve.txt requirements/train.txt requirements/
RUN pip --python /opt/genpage/bin/python install --require-hashes --only-binary :all: \
    --requirement requirements/serve.txt
# What our own wheel is built with, locked too: setuptools stands in the training lock.
RUN sed -n '/^setuptools==/,/[^\\]$/p' requirements/train.txt > requirements/build.txt \
    && pip install --require-hashes --only-binary :all: --requirement requirements/build.txt
COPY . .
RUN pip wheel --no-deps --no-index --no-build-isolation --wheel-dir /wheels . \
    && pip --python /opt/genpage/bin/python install --no-deps --no-index /wheels/*.whl

FROM python:3.11.14-slim-bookworm
RUN groupadd --gid 10001 genpage \
    && useradd --uid 10001 --gid genpage --no-create-home --home-dir /nonexistent genpage \
    && install --directory --owner genpage --group genpage /state
COPY --from=build /opt/genpage /opt/genpage
COPY --chmod=0755 deploy/serve.sh /usr/local/bin/genpage-serve
ENV PATH=/opt/genpage/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    GENPAGE_HOST=0.0.0.0 \
    GENPAGE_STATE_DIR=/state
USER 10001:10001
WORKDIR /state
VOLUME ["/state"]
EXPOSE 8700
# Alive, not ready: a server that waits for its first bundle is not to be restarted.
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8700/livez', timeout=4)"]
# The script ends in an exec, so that SIGTERM reaches the server itself: it drains and exits with 0.
STOPSIGNAL SIGTERM
ENTRYPOINT ["genpage-serve"]
