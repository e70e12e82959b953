# Warren. `make` builds the programs; `sudo make check` and `sudo make demo` install what is missing
# first. One folder of objects a variant: make VARIANT=asan|tsan|fuzz.

.DEFAULT_GOAL := all
VARIANT ?= release
ifeq ($(filter release asan tsan fuzz,$(VARIANT)),)
$(error VARIANT is release, asan, tsan or fuzz, not '$(VARIANT)')
endif
PREFIX ?= /usr/local
O := build/$(VARIANT)
BIN := $(if $(filter release,$(VARIANT)),build/bin,$(O)/bin)
VERSION := 0.1.0

PROGRAMS := warrend warren warren-coord warren-relay
PKGS := libsodium libcrypto libssl libuv libwebsockets jansson sqlite3 libpq libcurl cjose libmnl \
	liburcu-bp inih ldns libnftables libsystemd
# Debian's libipsec-mb exists for x86-64 only.
IPSEC_MB := $(if $(filter x86_64,$(shell uname -m)),yes)
# Loaded at run time where it is installed; sanitizers cannot follow.
BORINGSSL := $(if $(filter release,$(VARIANT)),$(patsubst %,/usr/lib/%/android/libcrypto.so.0,\
	$(filter x86_64-linux-gnu aarch64-linux-gnu,$(shell uname -m)-linux-gnu)))

WARN := -Wall -Wextra -Wconversion -Wvla -Wstrict-prototypes -Wmissing-prototypes -Wshadow -Werror
HARDEN := -fstack-protector-strong -fstack-clash-protection \
	$(if $(filter x86_64,$(shell uname -m)),-fcf-protection=full) \
	$(if $(filter fuzz,$(VARIANT)),,-ftrivial-auto-var-init=zero) -fPIE
OPT_release := -O2 -D_FORTIFY_SOURCE=3
# With sanitizers gcc sees truncations and uninitialised values that are none.
FALSE_ALARMS := -Wno-format-truncation -Wno-maybe-uninitialized -Wno-stringop-overflow
OPT_asan := -O1 -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer \
	$(FALSE_ALARMS)
OPT_tsan := -O1 -fsanitize=thread -fno-omit-frame-pointer -Wno-tsan $(FALSE_ALARMS)
OPT_fuzz := -O1 -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all
ifeq ($(VARIANT),fuzz)
CC := clang
endif

# What compiles says first what is missing; these goals install it, or compile nothing.
NO_COMPILER := deps check check-built demo bench bench-connect deb fuzz lint format clean
ifneq ($(filter-out $(NO_COMPILER),$(or $(MAKECMDGOALS),all)),)
MISSING := $(shell command -v $(firstword $(CC)) >/dev/null || echo $(firstword $(CC)); \
	if ! command -v pkg-config >/dev/null; then echo pkg-config; \
	elif ! pkg-config --exists $(PKGS); then \
		for p in $(PKGS); do pkg-config --exists $$p || echo $$p; done; fi 2>/dev/null)
ifneq ($(MISSING),)
$(error Cannot build: no $(strip $(MISSING)). On Debian, `sudo scripts/deps` installs what is missing)
endif
endif

# V=1 shows whole command lines.
say = $(if $(V),,@printf '  %-4s %s\n' '$(1)' '$(2)';)

PKG_CFLAGS := $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
PKG_LIBS := $(shell pkg-config --libs $(PKGS) 2>/dev/null) $(if $(IPSEC_MB),-lIPSec_MB) -lresolv -pthread
CFLAGS ?= -g
ALL_CFLAGS = -std=gnu17 -D_GNU_SOURCE -DWARREN_VERSION='"$(VERSION)"' -Ilib -I. $(WARN) $(HARDEN) \
	$(OPT_$(VARIANT)) $(if $(IPSEC_MB),-DHAVE_IPSEC_MB) \
	$(if $(BORINGSSL),-DHAVE_BORINGSSL='"$(BORINGSSL)"') $(CFLAGS) $(PKG_CFLAGS)
ALL_LDFLAGS = -pie -Wl,--as-needed,-z,relro,-z,now,-z,noexecstack $(OPT_$(VARIANT)) $(LDFLAGS)

# Every folder is a static library of its sources without main.c, so tests can link any part of it.
FOLDERS := lib kernel-iface relay daemon ctl coord
SRC_lib := $(wildcard lib/*/*.c)
$(foreach f,$(filter-out lib,$(FOLDERS)),$(eval SRC_$(f) := $(filter-out $(f)/main.c,$(wildcard $(f)/*.c))))
objs = $(patsubst %.c,$(O)/%.o,$(1))
archive = $(O)/lib$(1).a
$(foreach f,$(FOLDERS),$(eval $(call archive,$(f)): $(call objs,$(SRC_$(f)))))

# The web pages are put into the program by the assembler, which tells make nothing of it.
$(O)/coord/web_files.o $(O)/coord/api_document.o: $(wildcard coord/web/*)

UNIT := $(patsubst %.c,$(O)/%,$(wildcard tests/unit/test_*.c))
SIM := $(patsubst %.c,$(O)/%,$(wildcard tests/sim/sim_*.c))
FUZZ := $(patsubst %.c,$(O)/%,$(wildcard tests/fuzz/fuzz_*.c))
TOOLS := $(patsubst %.c,$(O)/%,$(wildcard tests/net/tools/*.c tests/interop/*.c bench/*.c))

.PHONY: all tests tools deps check check-built demo bench bench-connect lint format fuzz install deb clean
.SECONDARY:
.DELETE_ON_ERROR:

all: $(PROGRAMS:%=$(BIN)/%)

tools: $(TOOLS)

tests: all $(UNIT) $(SIM) $(FUZZ) $(TOOLS)

$(BIN)/warrend: $(O)/daemon/main.o $(call archive,daemon) $(call archive,kernel-iface) $(call archive,lib)
$(BIN)/warren: $(O)/ctl/main.o $(call archive,ctl) $(call archive,lib)
$(BIN)/warren-coord: $(O)/coord/main.o $(call archive,coord) $(call archive,relay) $(call archive,lib)
$(BIN)/warren-relay: $(O)/relay/main.o $(call archive,relay) $(call archive,lib)

$(PROGRAMS:%=$(BIN)/%):
	@mkdir -p $(@D)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $^ $(PKG_LIBS)

$(O)/lib%.a:
	@mkdir -p $(@D)
	@rm -f $@
	$(call say,AR,$@)$(AR) rcs $@ $^

$(O)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

ALL_ARCHIVES := $(foreach f,daemon ctl coord relay kernel-iface lib,$(call archive,$(f)))
TEST_SUPPORT := $(call objs,$(wildcard tests/support/*.c))

$(UNIT) $(SIM) $(TOOLS): $(O)/%: $(O)/%.o $(TEST_SUPPORT) $(ALL_ARCHIVES)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(PKG_LIBS)

# The one program of the tests that links somebody else's ICE; GLib's headers have casts of their own.
NICE := $(O)/tests/interop/nice_agent
$(NICE).o: ALL_CFLAGS += $(subst -I,-isystem ,$(shell pkg-config --cflags nice 2>/dev/null))
$(NICE): PKG_LIBS += $(shell pkg-config --libs nice 2>/dev/null)

# A coordinator that was taken over: the real one, with these functions' calls led through the test.
$(O)/tests/net/tools/hostile_coord: private LDFLAGS += -Wl,--wrap=session_new,--wrap=sessions_tick \
	-Wl,--wrap=control_channel_send
$(O)/tests/net/tools/hostile_coord.o: WARN += -Wno-missing-prototypes

# Fuzz targets define what libFuzzer declares nowhere.
$(O)/tests/fuzz/%.o: WARN += -Wno-missing-prototypes

# This test brings its own data plane and loop; the first definition counts.
$(O)/tests/unit/test_device $(O)/tests/unit/test_device_load: private LDFLAGS += -Wl,--allow-multiple-definition

# Without libFuzzer a target replays the corpus files it is given.
FUZZ_MAIN := $(if $(filter fuzz,$(VARIANT)),,$(O)/tests/fuzz/replay.o)
$(FUZZ): $(O)/%: $(O)/%.o $(FUZZ_MAIN) $(ALL_ARCHIVES)
	$(call say,LD,$@)$(CC) $(ALL_LDFLAGS) $(if $(FUZZ_MAIN),,-fsanitize=fuzzer) -o $@ $^ $(PKG_LIBS)

# What root built belongs to who typed sudo, so that a plain make can go on from there.
GIVE_BACK = { [ -z "$$SUDO_UID" ] || [ ! -d build ] || chown -Rh "$$SUDO_UID:$$SUDO_GID" build; }

# The packages live in scripts/deps and nowhere else.
deps:
	@scripts/deps

check: deps
	@$(MAKE) --no-print-directory check-built

check-built:
	@scripts/check

demo: deps
	@$(MAKE) --no-print-directory -j all
	@tests/net/demo; code=$$?; $(GIVE_BACK); exit $$code

# Everything side by side; BENCH has options for bench/run, as in BENCH=--quick.
bench: deps
	@$(MAKE) --no-print-directory -j all tools
	@bench/peers
	@bench/run $(BENCH); code=$$?; $(GIVE_BACK); exit $$code

# Connecting, for every pair of networks; CONNECT has options for bench/connect, as in CONNECT="--runs 10".
bench-connect: deps
	@$(MAKE) --no-print-directory -j all tools
	@bench/connect $(CONNECT); code=$$?; $(GIVE_BACK); exit $$code

lint:
	@command -v python3 >/dev/null || { echo "lint: no python3: sudo scripts/deps test" >&2; exit 1; }
	@scripts/lint

format:
	@clang-format --version | grep -q 'version 14' || \
		{ echo "format: needs clang-format 14, as in Debian 12" >&2; exit 1; }
	clang-format -i $(wildcard */*.[ch] lib/*/*.[ch] tests/*/*.[ch])

# A minute of coverage-guided fuzzing for every target: make fuzz FUZZ_S=60
fuzz:
	@$(MAKE) --no-print-directory VARIANT=fuzz tests
	@scripts/fuzz $${FUZZ_S:-60}

install: all
	install -D -m 0755 -t '$(DESTDIR)$(PREFIX)/bin' $(BIN)/warren $(BIN)/warren-coord $(BIN)/warren-relay
	install -D -m 0755 -t '$(DESTDIR)$(PREFIX)/sbin' $(BIN)/warrend
	install -D -m 0644 -t '$(DESTDIR)$(PREFIX)/share/man/man1' packaging/man/warren.1
	install -D -m 0644 -t '$(DESTDIR)$(PREFIX)/share/man/man5' packaging/man/warren-policy.5
	install -D -m 0644 -t '$(DESTDIR)$(PREFIX)/share/man/man8' $(wildcard packaging/man/*.8)

deb:
	@scripts/deps build package
	@packaging/build-deb; code=$$?; $(GIVE_BACK); exit $$code

clean:
	rm -rf build

-include $(shell find $(O) -name '*.d' 2>/dev/null)
