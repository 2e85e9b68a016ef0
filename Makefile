# One script for people and for CI. `make install` is done once; touch pyproject.toml to repeat it.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := zoo,formats,ros,images,fleet,s3,openvino,browser,sign,test,dev
WORKERS ?= 2

# Two test processes on two cores: one thread each, or they fight for the cores.
TEST_ENV := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1

# What runs models: kernels differ from processor to processor.
RUNTIME_TESTS := tests/attention tests/bench tests/lowering tests/passes tests/precision tests/targets tests/verify \
	tests/end_to_end/test_precision.py tests/end_to_end/test_round_trip.py
HIDING := $(abspath $(VENV))/without_vnni.so

.PHONY: help install demo test coverage test-lowest fuzz check benchmarks formulations view-transforms movement evidence evidence-models evidence-relink evidence-guard evidence-million mutants marginal kills same-builds format pin wheel clean targets table picture lens-oracles lens-rigs api

help:
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST)

install: $(STAMP) ## create the virtual environment with everything the repository needs

$(STAMP): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "make install: expected python3.11 or newer on PATH" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "make install: expected Python >= 3.11, got $$($(PYTHON) --version)" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	touch $@

demo: install ## specialize BEVFormer-tiny for calib_profiles/car42.yaml, with readable output
	$(BIN)/specialize build --calib calib_profiles/car42.yaml --model bevformer_tiny
	$(BIN)/specialize check build/car42 --calib calib_profiles/car42.yaml

test: install ## every test that takes seconds
	$(TEST_ENV) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

coverage: install ## what share of the package the tests run, by line and branch; fails below the floor in pyproject.toml
	mkdir -p build/coverage && rm -f build/coverage/data*
	$(TEST_ENV) $(BIN)/python -m coverage run -m pytest -n $(WORKERS) --dist loadfile
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report

test-lowest: install ## the tests that run models, as on an x86-64 processor with AVX2 and no more (Linux, cpuid_fault)
	cc -shared -fPIC -O1 -o $(HIDING) tests/precision/without_vnni.c -ldl
	@env LD_PRELOAD=$(HIDING) true || { echo "make test-lowest: expected a system on which CPUID can fault" >&2; exit 1; }
	$(TEST_ENV) WITHOUT_AVX512=1 LD_PRELOAD=$(HIDING) $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile $(RUNTIME_TESTS)

benchmarks: install ## processor time of quick commands, of plans, and of guard and relink for the build with tables TABLES=DIR, into benchmarks/results/
	$(BIN)/python benchmarks/run.py
	$(TEST_ENV) $(BIN)/python benchmarks/plans.py
	$(BIN)/python benchmarks/vehicle.py --build $(or $(TABLES),build/tables)

compare-benchmarks: install ## processor time of quick commands, of BASE and of this tree in turn, and their ratio
	$(BIN)/python benchmarks/compare.py $(BASE)

benchmarks-compile: install ## what compiling takes by the number of nodes, beside onnxsim (minutes): docs/concepts/costs.md
	$(TEST_ENV) $(BIN)/python benchmarks/compile.py --write docs/concepts/costs.md

marginal: install ## what a further vehicle's exact build costs, beside the first one: docs/concepts/fleet-plan.md
	$(TEST_ENV) $(BIN)/python -m tools.marginal bevformer_tiny streampetr --fleet --write

SMALL_SITES := bevformer_tiny bevformer_small "surroundocc, second volume" "bevformer_tiny, tables"
FORMULATIONS = $(TEST_ENV) $(BIN)/python benchmarks/formulations.py $(if $(FIGURES),--results $(FIGURES))
formulations: install ## equal formulations of attention at six sites on one thread and on two (minutes; 10 GB for bevformer_base), with TVM=PYTHON that has apache-tvm on that too, FIGURES=benchmarks/results/NAME for a further machine: docs/concepts/formulations.md, targets' defaults
	$(FORMULATIONS)
	$(FORMULATIONS) --only bevformer_tiny --threads 2
	$(FORMULATIONS) --only $(SMALL_SITES) --runtime openvino
	$(if $(TVM),$(FORMULATIONS) --only $(SMALL_SITES) --rounds 5 --runtime tvm \
		--version "apache-tvm $$($(TVM) -c 'import tvm; print(tvm.__version__)')" \
		--command "$(TVM) tools/device/kit/run_tvm.py --threads 1 --model {model} --inputs {inputs} --outputs {outputs}")
	$(BIN)/python -m tools.formulations_page --write docs/concepts/formulations.md --defaults

view-transforms: install ## pooling, look-up and sampling at the sizes of five models, before and after, with what bounds them (minutes, 6 GB): docs/concepts/view-transforms.md
	$(TEST_ENV) $(BIN)/python benchmarks/view_transforms.py
	$(BIN)/python -m tools.view_transforms_page --write docs/concepts/view-transforms.md

movement: install ## rates of single operators, and how far they predict SITES="FOLDER/NAME FOLDER/NAME:sites ...": docs/concepts/costs.md
	$(TEST_ENV) $(BIN)/python -m tools.movement --rates $(SITES) --write docs/concepts/costs.md

FUZZ_SECONDS ?= 300

fuzz: install ## change files of every reader by chance, FUZZ_SECONDS each; ENGINE=atheris needs that package
	nice -n 19 $(BIN)/python -m tools.fuzz.run --seconds $(FUZZ_SECONDS) --engine $(or $(ENGINE),mutate)

evidence: install evidence-guard ## the slow tests: whole detectors, timings, thousands of vehicles
	$(BIN)/python -m pytest -m slow

evidence-models: install ## every model family built for car42 in both layouts: a table of what each build took
	$(BIN)/python tools/evidence_models.py

evidence-relink: install ## tables of 10,000 vehicles by both executors for every model in both layouts, COUNT=N for fewer, into benchmarks/results/relink.json
	for model in bevformer_tiny bevformer_small bevformer_base surroundocc; do for layout in ragged padded; do \
	  $(BIN)/python tools/relink_evidence.py $$model --layout $$layout --count $(or $(COUNT),10000) --kept build/relink || exit 1; done; done

evidence-guard: install ## ten million random calibrations through both guards, COUNT=N for fewer, into benchmarks/results/guard.json
	$(TEST_ENV) $(BIN)/python tools/guard_evidence.py --count $(or $(COUNT),10000000) --kept build/guard.json

evidence-million: install ## plans, states and differences of simulated fleets of 1,000 to 1,000,000 vehicles (an hour on two cores), COUNTS="1000 10000" for fewer, into benchmarks/results/fleets.json
	$(TEST_ENV) $(BIN)/python benchmarks/fleets.py --counts $(or $(COUNTS),1000 10000 100000 1000000)
	$(BIN)/python -m tools.fleets_page --write docs/concepts/fleet-plan.md

mutants: install ## change the compiler's meaning in one place at a time and see which checks notice (an hour): docs/concepts/mutants.md
	$(TEST_ENV) $(BIN)/python tools/mutants/campaign.py --jobs $(WORKERS) --write docs/mutants.json
	$(TEST_ENV) $(BIN)/python tools/mutants/at_sites.py --jobs $(WORKERS) --write docs/mutants-at-sites.json
	$(BIN)/python tools/mutants/page.py
	$(TEST_ENV) $(BIN)/python tools/mutants/checkers.py

kills: install ## kill pack, plan, build and export at random moments, ROUNDS times each, and compare what they do then
	$(TEST_ENV) $(BIN)/python -m tests.end_to_end.killing --rounds $(or $(ROUNDS),50)

BASE ?= main

same-builds: install ## build small models with the compiler of BASE and with this one, and name the graphs that differ
	$(TEST_ENV) $(BIN)/python tools/same_builds.py --base $(BASE)

.PHONY: benchmarks-compile frame-shares device-kit demo-model install-size docs man notebooks

DOCS := build/docs-venv

demo-model: install ## the packaged model of `specialize demo`, with seeded weights: demo/encoder.onnx
	$(BIN)/python -m tools.demo_model

install-size: install ## what users and developers install, measured in new environments: docs/install.json, docs/demo.txt and README.md
	$(BIN)/python tools/install_size.py

frame-shares: install ## what the time of BUILDS="DIR DIR" depends on, by input: docs/concepts/costs.md
	$(TEST_ENV) $(BIN)/python -m tools.frame_shares $(BUILDS) --write

device-kit: install ## a folder with which a device measures the forms of BUILD=DIR (for ONNX Runtime): build/device-kit
	rm -rf build/device-kit
	$(BIN)/python -m tools.device.prepare $(BUILD) -o build/device-kit --whole-model

picture: install ## what every camera of calib_profiles/car42.yaml computes, before and after: docs/pairs.svg
	$(BIN)/python -m tools.picture

table: install ## every model family on car42 and on RIG=profile.yaml, measured: the table in README.md
	$(BIN)/python tools/model_table.py --calib calib_profiles/car42.yaml $(addprefix --calib ,$(RIG)) --write README.md

lens-rigs: install ## what the example rigs with lenses leave to compute: docs/lens-rigs.json and the table in docs/guides/lenses.md
	$(BIN)/python tools/lens_rigs.py

check: install ## format, lint, strict types, import contracts, architecture
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/mypy --config-file tests/mypy.ini tests tools benchmarks
	$(BIN)/lint-imports
	$(BIN)/python -m pytest -q tests/test_architecture.py

lens-oracles: ## ask OpenCV and NVIDIA NCore, in an environment of their own, where lenses put points: tests/calibration/lens/oracles.json
	$(PYTHON) -m venv build/lens-oracles
	build/lens-oracles/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt \
	  opencv-contrib-python-headless==5.0.0.93 nvidia-ncore==19.8.3
	PYTHONPATH=. build/lens-oracles/bin/python tools/lens_oracles.py

targets: install ## compile for real with every toolchain that installs here (gigabytes, about 1.5 hours on two cores), and write docs/targets.md
	$(BIN)/python tools/targets/builds.py
	$(BIN)/python tools/targets/run.py --what site
	$(BIN)/python tools/targets/run.py --what head
	$(BIN)/python tools/targets/run.py --what whole
	$(BIN)/python tools/targets/table.py

format: install ## rewrite files the way `check` wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

pin: install $(DOCS)/.installed ## rewrite constraints.txt from the virtual environments
	@{ sed -n '/^#/p' constraints.txt; for one in $(BIN) $(DOCS)/bin; do \
	  $$one/python -m pip freeze --exclude-editable --exclude specialize; done | sed 's/+cpu$$//' | sort -fu; } > constraints.tmp
	@mv constraints.tmp constraints.txt

api: install ## pages of every module, made of its docstrings, in build/api
	$(BIN)/python -m pdoc -d google -o build/api specialize $(subst /,.,$(patsubst %/__init__.py,%,$(filter-out specialize/zoo/%,$(wildcard specialize/*/__init__.py))))

docs: api $(DOCS)/.installed ## the site from docs/ with the pages of the API, links checked, in build/site
	$(BIN)/python -m tools.site --api build/api
	$(DOCS)/bin/mkdocs build
	$(BIN)/python -m tools.site --built build/site

$(DOCS)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[docs]'
	touch $@

notebooks: install ## run the notebooks of docs/notebooks and write what they print
	$(BIN)/python -m tools.notebooks

man: install ## the man page of the command line, from its help: build/man/specialize.1
	$(BIN)/python -m tools.man

wheel: install ## build the wheel and the source archive into dist/
	$(BIN)/python -m build

clean: ## remove builds and caches, keep the virtual environment and the store
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -not -path './.venv*' -prune -exec rm -rf {} +
