# The command line without torch, for a user without rights:
#   docker build -t specialize .            (EXTRAS=zoo adds the built-in models, and torch)
#   docker run --rm -v "$PWD:/work" --user "$(id -u):$(id -g)" specialize demo
FROM python:3.11-slim AS wheel
COPY . /source
RUN python -m pip install --no-cache-dir --quiet build && python -m build --wheel --outdir /wheel /source

FROM python:3.11-slim
ARG EXTRAS=""
COPY --from=wheel /wheel /wheel
COPY constraints.txt /wheel/
RUN python -m pip install --no-cache-dir --quiet -c /wheel/constraints.txt "$(ls /wheel/*.whl)${EXTRAS:+[$EXTRAS]}" \
 && rm -rf /wheel \
 && useradd --create-home specialize \
 && mkdir -p /work /store \
 && chown specialize /work /store \
 && chmod 1777 /store
ENV SPECIALIZE_STORE=/store
VOLUME /store
USER specialize
WORKDIR /work
ENTRYPOINT ["specialize"]
CMD ["--help"]
