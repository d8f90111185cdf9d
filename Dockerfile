# One image for every process; compose.yaml says which one runs.
FROM python:3.12-slim AS packages

# Some processors have no ready-made wheel for every package; the compiler stays in this stage.
RUN apt-get update && apt-get install -y --no-install-recommends build-essential
WORKDIR /build
COPY pyproject.toml constraints.txt ./
COPY .ci/install .ci/install
RUN SEG_VENV=/opt/venv sh .ci/install run

FROM python:3.12-slim

COPY --from=packages /opt/venv /opt/venv
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
WORKDIR /opt/seg-console
COPY manage.py LICENSE ./
COPY docs/help docs/help
COPY docs/images docs/images
COPY seg_console seg_console
COPY policies policies
COPY tdc tdc
COPY templates templates
COPY static static

# The data folder is a volume; nothing else is written to.
RUN useradd --system --home-dir /var/lib/seg-console --create-home seg
ENV SEG_DATA_DIR=/var/lib/seg-console
USER seg
VOLUME /var/lib/seg-console
EXPOSE 8000 2525
