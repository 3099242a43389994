/* Pins as an operator sees and approves them, for the admin socket. Any thread except
 * workers. */
#ifndef GATE_TOOLPINS_APPROVE_H
#define GATE_TOOLPINS_APPROVE_H

#include <jansson.h>

#include "base/sha256.h"
#include "gate/toolpins/tool_pins.h"

/* Returns all pins, or those of one server, without texts: a new JSON array, sorted by
 * server, kind and name. */
json_t *tool_pins_list(struct tool_pins *p, struct span server);
/* Returns one pin with its texts, which the caller owns, or NULL if there is none. */
json_t *tool_pins_get(struct tool_pins *p, const struct tool_pin_of *of);

enum tool_pin_change {
	PIN_ADD,  /* approve this hash, too */
	PIN_ONLY, /* approve this hash and no other */
	PIN_NONE, /* approve no hash */
};
/* Changes the set of approved hashes. `by` names the operator. Returns 0; ERR_BAD_STATE if
 * there is no such pin; ERR_FULL if CAP_TOOL_PIN_HASHES are approved already. */
int tool_pins_approve(struct tool_pins *p, const struct tool_pin_of *of,
	enum tool_pin_change change, const unsigned char hash[SHA256_BYTES], struct span by);

/* Returns the servers that have no room for further pins: a new JSON array of names. */
json_t *tool_pins_full(struct tool_pins *p);

#endif
