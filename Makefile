# `make demo` shows what Cleanplate does; `make test` checks that it still does it.

PYTHON ?= python3
SOURCES := $(shell find src/cleanplate -type f -not -path '*/__pycache__/*')

.PHONY: demo test test-slow clean

demo: .venv/installed
	.venv/bin/cleanplate watermark samples -o demo/clean --mask-out demo/masks --overwrite
	.venv/bin/python scripts/sheet.py samples demo/masks demo/clean -o demo/sheet.png
	@echo "Results: demo/clean, what was filled in: demo/masks, side by side: demo/sheet.png"

test: .venv-test/installed
	.venv-test/bin/ruff format --check .
	.venv-test/bin/ruff check .
	.venv-test/bin/mypy
	.venv-test/bin/lint-imports
	OMP_NUM_THREADS=1 .venv-test/bin/pytest -n auto --dist worksteal

# The trainings that take minutes each.
test-slow: .venv-test/installed
	OMP_NUM_THREADS=1 .venv-test/bin/pytest -m slow

clean:
	rm -rf .venv .venv-test demo

.venv/installed: pyproject.toml $(SOURCES)
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet .
	touch $@

# One call, so that nothing moves a pin.
.venv-test/installed: pyproject.toml requirements-test.txt
	$(PYTHON) -m venv .venv-test
	.venv-test/bin/pip install --quiet -r requirements-test.txt -e '.[train,dev]'
	touch $@
