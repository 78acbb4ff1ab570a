# The server with its models, for CPUs; docs/web.md says how it is run.

FROM python:3.12-slim AS build
WORKDIR /source
COPY pyproject.toml requirements-test.txt README.md LICENSE ./
COPY src src
# The releases that the tests run with; pip is of no use afterwards.
RUN python -m venv /opt/cleanplate \
    && /opt/cleanplate/bin/pip install --no-cache-dir --constraint requirements-test.txt '.[serve,pdf]' \
    && /opt/cleanplate/bin/pip uninstall --yes pip

FROM python:3.12-slim
COPY --from=build /opt/cleanplate /opt/cleanplate
# Nothing is written but temporary files, so that the rest may be mounted read-only.
ENV PATH=/opt/cleanplate/bin:$PATH HOME=/tmp TMPDIR=/tmp PYTHONDONTWRITEBYTECODE=1
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8000/healthz', timeout=5)"]
ENTRYPOINT ["cleanplate"]
# Outside its container it is reached by other machines: it ends at once where CLEANPLATE_TOKEN is not set.
CMD ["serve", "--host", "0.0.0.0"]
