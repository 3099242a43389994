/* What a person sees of pins, and what he approves. For the admin socket. */
#ifndef GATE_TOOLPINS_APPROVE_H
#define GATE_TOOLPINS_APPROVE_H

#include <jansson.h>

#include "base/sha256.h"
#include "gate/toolpins/tool_pins.h"

/* All pins, without texts, or those of one server: a new JSON array, sorted. */
json_t *tool_pins_list(struct tool_pins *p, struct span server);
/* One with its texts; NULL: there is none. */
json_t *tool_pins_get(struct tool_pins *p, const struct tool_pin_of *of);

enum tool_pin_change {
	PIN_ADD,  /* this hash is approved too */
	PIN_ONLY, /* this one and no other */
	PIN_NONE, /* none is */
};
/* 0; ERR_BAD_STATE: there is no such pin; ERR_FULL: CAP_TOOL_PIN_HASHES are approved. */
int tool_pins_approve(struct tool_pins *p, const struct tool_pin_of *of,
	enum tool_pin_change change, const unsigned char hash[SHA256_BYTES], struct span by);

/* The servers whose share is full: a new JSON array. */
json_t *tool_pins_full(struct tool_pins *p);

#endif
