/* Pins: what a server said of a tool, of a prompt or of itself when it was first seen, and what
 * a person approved since. A pin is (server, kind, name); its text's canonical form
 * (gate/toolpins/canonical.h, a tool's without `_meta`) is hashed, and the hash says what tool.state
 * is. One table of the process, read without a lock; no pin ever goes. gate/toolpins/sync.h keeps
 * them on disk and brings them to the other daemons. */
#ifndef GATE_TOOLPINS_TOOL_PINS_H
#define GATE_TOOLPINS_TOOL_PINS_H

#include "base/arena.h"
#include "base/buf.h"
#include "policy/verdict/tool.h"

enum tool_pin_kind { PIN_TOOL, PIN_PROMPT, PIN_INSTRUCTIONS, PIN_KINDS };
extern const char *const tool_pin_kinds[]; /* "tool", "prompt", "instructions"; NULL */

struct tool_pin_of {
	enum tool_pin_kind kind;
	struct span server; /* the provider's name */
	struct span name;   /* "" of instructions */
};

struct tool_pins;

/* NULL: out of memory. */
struct tool_pins *tool_pins_new(void);
void tool_pins_free(struct tool_pins **p);

/* ---- workers; any thread ---- */

/* A list, or the answer to initialize, says `json` of it, as it is written: an entry's object,
 * the string of instructions. The first text of a pin is `new`. TOOL_CHANGED too where it
 * cannot be pinned: no strict JSON, longer than CAP_TOOL_PIN_ENTRY, a name that no call may
 * give, or the table or the server's share is full. TOOL_UNPINNED: `p` is NULL. Bytes that are
 * as they were cost one hash. Never waits for disk or Redis. */
enum tool_state tool_pins_see(
	struct tool_pins *p, const struct tool_pin_of *of, struct span json);
/* A call names it: the state of the text that was listed last, by whatever daemon and for
 * whomever. TOOL_UNLISTED: none was; TOOL_CHANGED instead where the server's share is full. */
enum tool_state tool_pins_state(struct tool_pins *p, const struct tool_pin_of *of);
/* The description in that text, in the arena; "": none, or the text is not kept. */
struct span tool_pins_description(
	struct tool_pins *p, const struct tool_pin_of *of, struct arena *a);

/* All of that text, without `_meta`. */
struct span tool_pins_text(struct tool_pins *p, const struct tool_pin_of *of, struct arena *a);

/* ---- numbers; any thread ---- */

size_t tool_pins_count(struct tool_pins *p);
/* How many are changed now. */
size_t tool_pins_changed(struct tool_pins *p);
/* Appends their metrics, as Prometheus' text. */
void tool_pins_metrics(struct tool_pins *p, struct buf *out);

#endif
