# scarlet_pl in a container, as a user without rights:
#
#   docker build -t scarlet-pl .
#   docker run --rm --user "$(id -u)" -v "$PWD/logs:/scarlet/logs" scarlet-pl fit --config scarlet
#
# torch as pip finds it runs on CPUs, and on GPUs with docker run --gpus all. For a smaller image without CUDA:
# --build-arg PIP_INDEX_URL=…, the index of torch's builds for CPUs as torch's documentation names it. For another
# CUDA: --build-arg BASE=…, an image with Python 3.11 to 3.13 and torch. --build-arg EXTRAS=flower,text,search,privacy
ARG BASE=python:3.11-slim
FROM ${BASE}
ARG EXTRAS=flower
COPY . /src
RUN --mount=type=cache,target=/root/.cache/pip pip install "/src[${EXTRAS}]" && rm -rf /src
RUN useradd --create-home --uid 1000 scarlet \
    && install --directory --owner scarlet /scarlet /scarlet/logs /runs \
    && install --directory --owner scarlet --mode 700 /state
USER scarlet
WORKDIR /scarlet
ENV OMP_NUM_THREADS=1
ENTRYPOINT ["scarlet-pl"]
