/* Pins: the text that an MCP server sent about a tool, a prompt or itself when it was first
 * seen, and the texts that an operator has approved since.
 *
 * A pin is (server, kind, name). The canonical form of its text (gate/toolpins/private.h;
 * for a tool without `_meta`) is hashed, and tool.state depends on the hash. The process has
 * one table. Workers read it without a lock, and no pin is removed. gate/toolpins/sync.h
 * keeps pins on disk and shares them with the other daemons. */
#ifndef GATE_TOOLPINS_TOOL_PINS_H
#define GATE_TOOLPINS_TOOL_PINS_H

#include "base/arena.h"
#include "base/buf.h"
#include "policy/verdict/tool.h"

enum tool_pin_kind { PIN_TOOL, PIN_PROMPT, PIN_INSTRUCTIONS, PIN_KINDS };
extern const char *const tool_pin_kinds[]; /* "tool", "prompt", "instructions", then NULL */

struct tool_pin_of {
	enum tool_pin_kind kind;
	struct span server; /* the provider's name */
	struct span name;   /* "" for instructions */
};

struct tool_pins;

/* Returns NULL if memory is exhausted. */
struct tool_pins *tool_pins_new(void);
void tool_pins_free(struct tool_pins **p);

/* ---- workers; any thread ---- */

/* Call it for each entry of a list, and for the instructions in a response to initialize.
 * `json`: the entry's object, or the string of instructions, as written.
 *
 * Returns the state of the text. The first text of a pin is TOOL_NEW. A text that cannot be
 * pinned is TOOL_CHANGED: not strict JSON, longer than CAP_TOOL_PIN_ENTRY, a name that no
 * call can use, or no room in the table or for the server. TOOL_UNPINNED: `p` is NULL. Bytes
 * equal to the last ones cost one hash. Never waits for disk or Redis. */
enum tool_state tool_pins_see(
	struct tool_pins *p, const struct tool_pin_of *of, struct span json);
/* Call it for a call of a tool. Returns the state of the text that any daemon listed last,
 * for any caller. TOOL_UNLISTED if none was listed; TOOL_CHANGED instead if the server has no
 * room for pins. */
enum tool_state tool_pins_state(struct tool_pins *p, const struct tool_pin_of *of);
/* Returns the description in the text listed last, in the arena; "" if there is none or the
 * text is not kept. */
struct span tool_pins_description(
	struct tool_pins *p, const struct tool_pin_of *of, struct arena *a);

/* Returns the whole text, without `_meta`, in the same way. */
struct span tool_pins_text(struct tool_pins *p, const struct tool_pin_of *of, struct arena *a);

/* ---- numbers; any thread ---- */

/* Returns the number of pins. `p` may be NULL here and below. */
size_t tool_pins_count(struct tool_pins *p);
/* Returns how many pins have the state TOOL_CHANGED. */
size_t tool_pins_changed(struct tool_pins *p);
/* Appends the metrics in Prometheus' text format. */
void tool_pins_metrics(struct tool_pins *p, struct buf *out);

#endif
