# The service's image: `python -m web` by default, `python -m worker --queue feeds` and `threads-ml …` as commands.
# Training needs more packages: docker build --build-arg EXTRA_GROUPS="--group data" .

FROM python:3.11-slim AS packages
ARG EXTRA_GROUPS=""
ENV UV_PROJECT_ENVIRONMENT=/venv UV_PYTHON_DOWNLOADS=never UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_NO_CACHE=1
WORKDIR /app
RUN pip install uv
# Not the code: the packages are installed anew only when the lock changes.
COPY pyproject.toml uv.lock README.md LICENSE ./
RUN uv sync --frozen --no-default-groups ${EXTRA_GROUPS}

FROM python:3.11-slim
ENV PATH=/venv/bin:$PATH PYTHONPATH=/app PYTHONUNBUFFERED=1 MODEL_PATH=/models
RUN useradd --uid 10001 --create-home threads-ml && install --directory --owner threads-ml /models
WORKDIR /app
COPY --from=packages /venv /venv
COPY . .
USER threads-ml
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["python", "-c", "import os, urllib.request as r; r.urlopen('http://127.0.0.1:%s/health' % (os.environ.get('PORT') or os.environ.get('API_PORT') or 8000), timeout=2)"]
CMD ["python", "-m", "web"]
