# make demo    the main job from end to end on pictures that it draws itself, and a report; compiles the
#              chat engine meanwhile
# make test    every check: lint, format, types, import table, tests
# make run     the window, or a command:  make run ARGS="images MY_PROJECT"
# make bench   the figures of the README
# make phantom makes the model that ships anew: a tiny one that looks at drawn shapes; half an hour or more
# make app     freezes the program into dist/dermagui, which needs no Python
# make deb     packs that folder as a Debian package
# make lock    write the locks anew from pyproject.toml;  make lock UPGRADE=--upgrade  takes the newest
# make clean   remove everything that the other targets made
#
# Needs python3 >= 3.11, or:  make PYTHON=python3.12 demo

PYTHON ?= python3
VENV := .venv
IN_VENV := $(VENV)/bin/
ENGINE := $(VENV)/llama.stamp
PIP := $(IN_VENV)python -m pip --disable-pip-version-check --no-input

# Two installers in one environment get in each other's way.
.NOTPARALLEL:

.PHONY: demo test run bench phantom app deb lock clean

# The demo needs no chat engine: that is compiled meanwhile, and goes on after it where it takes longer.
demo: $(VENV)/app.stamp
	@test -e $(ENGINE) || { nohup nice $(MAKE) --silent --no-print-directory $(ENGINE) > $(VENV)/llama.log 2>&1 & }
	$(IN_VENV)python -m dermagui demo $(ARGS)
	@if test -e $(ENGINE); then echo "The chat engine is ready: dermagui chat --help"; \
	elif grep -q '\*\*\*' $(VENV)/llama.log; then \
		echo "The chat engine could not be compiled; all but the chat works without it."; \
		grep -v '\*\*\*' $(VENV)/llama.log; \
	else echo "The chat engine is still being compiled; make $(ENGINE) waits for it."; \
		tail -n 1 $(VENV)/llama.log; fi

run: $(VENV)/app.stamp
	$(if $(ARGS),,$(IN_VENV)python packaging/check_system.py --window)
	$(IN_VENV)python -m dermagui $(ARGS)

bench: $(VENV)/dev.stamp $(ENGINE)
	$(IN_VENV)python -m tests.bench $(ARGS)

phantom: $(VENV)/dev.stamp $(ENGINE) $(VENV)/training.stamp
	$(IN_VENV)python packaging/build_phantom.py

app: $(VENV)/build.stamp $(ENGINE)
	$(IN_VENV)python packaging/build_app.py

deb: app
	$(IN_VENV)python packaging/build_deb.py

test: $(VENV)/dev.stamp $(VENV)/build.stamp $(ENGINE) $(VENV)/training.stamp
	$(IN_VENV)python packaging/check_system.py --qt
	$(IN_VENV)ruff check
	$(IN_VENV)ruff format --check
	$(IN_VENV)mypy
	$(IN_VENV)python -m pytest $(ARGS)

# The stamps keep a second run from installing anything. Our own package is installed without its
# dependencies (the lock names them all but llama-cpp-python, see packaging/locks/later.in) and by the
# hatchling of the lock, so that nothing unlocked is ever fetched.
$(VENV)/%.stamp: packaging/locks/%.txt pyproject.toml | $(VENV)/venv.stamp
	$(PIP) install --require-hashes --only-binary :all: --requirement $<
	$(PIP) install --quiet --no-index --no-deps --no-build-isolation --editable .
	touch $@

# Compiled once per machine, in 5 to 15 minutes of one core, and kept in the user's cache.
#   make LLAMA_WHEEL=PATH .venv/llama.stamp    takes a finished wheel instead
#   make CMAKE_ARGS=-DGGML_VULKAN=ON .venv/llama.stamp    compiles more into it
$(ENGINE): packaging/locks/llama.txt packaging/build_llama.py | $(VENV)/app.stamp
	$(IN_VENV)python packaging/build_llama.py
	touch $@

# torch for a processor and what trains with it, 2 GB, for the tests only; kept in the user's cache as well.
$(VENV)/training.stamp: packaging/locks/train-cpu.txt packaging/locks/train-cpu-torch.txt \
		packaging/build_training.py | $(VENV)/dev.stamp
	$(IN_VENV)python packaging/build_training.py && touch $@ || \
		echo "*** The training environment could not be made: the tests that train are left out. ***"

$(VENV)/venv.stamp:
	$(PYTHON) packaging/check_system.py
	$(PYTHON) -m venv $(VENV)
	touch $@

# Universal (every platform, every Python from 3.11), hashed, and without any download address.
COMPILE := $(IN_VENV)uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest \
	--generate-hashes --no-annotate --no-emit-index-url --no-emit-find-links \
	--custom-compile-command "make lock" $(UPGRADE)

# What no requirement of ours asks for: hatchling installs our own package, and llama-cpp-python, whose
# requirements the compiler does not see, needs the others.
ALSO := printf '%s\n' hatchling diskcache typing-extensions | $(COMPILE) pyproject.toml - \
	--excludes packaging/locks/later.in

# Of one platform each: together they would be given an old unsloth.
FOR_GPU := $(IN_VENV)uv pip compile --quiet --python-version 3.12 --generate-hashes --no-annotate \
	--no-emit-index-url --no-emit-find-links --custom-compile-command "make lock" $(UPGRADE) \
	packaging/locks/train-gpu.in --python-platform

lock: $(VENV)/dev.stamp
	$(ALSO) --output-file packaging/locks/app.txt
	$(ALSO) --extra dev --constraints packaging/locks/app.txt --output-file packaging/locks/dev.txt
	$(ALSO) --extra build --constraints packaging/locks/dev.txt --output-file packaging/locks/build.txt
	$(COMPILE) --no-deps packaging/locks/llama.in --output-file packaging/locks/llama.txt
	$(COMPILE) packaging/locks/llama-tools.in --output-file packaging/locks/llama-tools.txt
	$(COMPILE) packaging/locks/train-cpu.in --excludes packaging/locks/train-later.in \
		--output-file packaging/locks/train-cpu.txt
	$(FOR_GPU) x86_64-manylinux_2_28 --output-file packaging/locks/train-linux.txt
	$(FOR_GPU) x86_64-pc-windows-msvc --excludes packaging/locks/train-later.in \
		--output-file packaging/locks/train-windows.txt

clean:
	rm -rf $(VENV) build dist report .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find dermagui packaging tests -name __pycache__ -type d -prune -exec rm -rf {} +
