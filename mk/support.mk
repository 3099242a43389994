# Programs that the tests, the demo and the bench need beside tollgate itself.
MOCK_SRC := $(wildcard tests/support/mock/*.c)
MOCK_OBJ := $(MOCK_SRC:%.c=$(B)/%.o)

$(B)/mockllm: $(MOCK_OBJ) $(LIB)
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ -ljansson $(ALL_LIBS)

$(B)/stackhelp: $(B)/tests/support/stackhelp.o
	$(CC) $(ALL_CFLAGS) $(LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(MOCK_OBJ) $(B)/tests/support/stackhelp.o: $(B)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(ALL_CFLAGS) -c -o $@ $<

.PHONY: support
support: $(B)/mockllm $(B)/stackhelp
all: support
