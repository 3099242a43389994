/* The table of pins as the files of this folder share it. */
#ifndef GATE_TOOLPINS_PRIVATE_H
#define GATE_TOOLPINS_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/caps.h"
#include "base/sha256.h"
#include "gate/toolpins/tool_pins.h"

enum { PIN_SLOTS = 2 * CAP_TOOL_PINS, PIN_NAME_MAX = 128, PIN_BY_MAX = 128, PIN_FIELD = 33 };

/* A canonical text. Several members of a pin may refer to the same one. */
struct pin_text {
	unsigned refs;
	unsigned char hash[SHA256_BYTES];
	size_t n;
	char bytes[];
};

/* The content of a pin that two daemons have to agree on. The result of a join (join_pin())
 * does not depend on its order. */
struct pin_value {
	/* hash of the first text, and the wall clock then. If two values are settled, the
	 * older one holds. A settled value holds against one that is not settled. */
	unsigned char first[SHA256_BYTES];
	int64_t first_ns;
	bool settled; /* Redis accepted the first text, or there is no Redis */
	/* the approved hashes; the later of two sets holds, by serial, then by time */
	unsigned char approved[CAP_TOOL_PIN_HASHES][SHA256_BYTES];
	size_t napproved;
	int64_t serial, approved_ns;
	char by[PIN_BY_MAX];
	/* the text listed last */
	unsigned char seen[SHA256_BYTES];
	int64_t seen_ns;
	/* texts of the first, the last approved and the last listed hash; NULL: not kept. One
	 * reference each. */
	struct pin_text *first_text, *approved_text, *seen_text;
};

/* owner: the table. A pin is never freed before the table. */
struct pin {
	/* do not change */
	enum tool_pin_kind kind;
	unsigned server; /* index in tool_pins.server */
	size_t nname;
	uint64_t hash;
	char field[PIN_FIELD]; /* the pin's field in Redis */
	/* Read without the lock. `raw` is a keyed hash of the bytes that were listed last,
	 * and `state` the state of that text. `seq` is odd while they are written. */
	_Atomic uint32_t seq;
	_Atomic uint64_t raw[2];
	_Atomic uint8_t state;
	_Atomic int64_t seen_ns; /* never earlier than v.seen_ns */
	/* guarded by the lock */
	struct pin_value v;
	uint64_t said_us; /* monotonic, when the last change was logged; 0: never */
	/* the writes that are missing on disk or in Redis */
	struct pin *next; /* the next pin of the queue */
	bool queued, file_due, redis_due;
	bool soon;	  /* written at once, because more than the listed text changed */
	uint64_t told_us; /* monotonic, when the pin was last written; 0: never */
	uint8_t hurried;  /* number of times in a row that the pin was written at once */
	char name[];
};

struct pin_server {
	char *name;
	size_t n, text_bytes; /* guarded by the lock */
	_Atomic bool full;
};

/* owner: the process. At most CAP_TOOL_PINS pins of CAP_TOOL_PIN_SERVERS servers. */
struct tool_pins {
	unsigned char raw_key[16], slot_key[16];
	_Atomic(struct pin *) *slot; /* hash table with PIN_SLOTS places, open addressing */
	struct pin_server server[CAP_TOOL_PIN_SERVERS];
	_Atomic size_t nservers;
	_Atomic bool full; /* the table of pins or that of servers is full */
	_Atomic size_t n, changed;
	_Atomic uint64_t changes, refused, forged; /* counters for metrics */
	/* Never held while a thread waits for disk or Redis. Workers take the lock if a text
	 * has changed, and to read a description. */
	pthread_mutex_t lock;
	struct pin *queue, **queue_end;
	uint64_t puts; /* incremented with each pin that is queued with `soon` */
};

static inline struct span
pin_server_name(const struct tool_pins *p, const struct pin *pin)
{
	return span_str(p->server[pin->server].name);
}

static inline struct span
pin_name(const struct pin *pin)
{
	return span_of(pin->name, pin->nname);
}

/* Returns the pin, or NULL. Takes no lock. */
struct pin *pin_find(const struct tool_pins *p, const struct tool_pin_of *of);
/* Writes the pin's field in the hash of Redis. */
void pin_field(const struct tool_pin_of *of, char out[PIN_FIELD]);

/* ---- call these with the lock held ---- */

/* Returns the pin, or a new one without content (*made). Returns NULL if there is no room;
 * this is counted and logged. */
struct pin *pin_make(struct tool_pins *p, const struct tool_pin_of *of, bool *made);
/* Makes the content of pin->v visible to workers. */
void pin_publish(struct tool_pins *p, struct pin *pin);
/* Queues the pin for disk and Redis. `soon`: write it at once. */
void pin_enqueue(struct tool_pins *p, struct pin *pin, bool soon);
/* Returns a new text with one reference, or NULL if the server has no room for it. */
struct pin_text *pin_text_new(
	struct tool_pins *p, unsigned server, struct span text, const unsigned char *hash);
/* Adds a reference; drops one and frees the text after the last. NULL is accepted. */
struct pin_text *pin_text_ref(struct pin_text *t);
void pin_text_drop(struct tool_pins *p, unsigned server, struct pin_text **t);
/* Returns the state of the text that was listed last. */
enum tool_state pin_value_state(const struct pin_value *v);
/* Returns true if the hash is approved. */
bool pin_approves(const struct pin_value *v, const unsigned char hash[SHA256_BYTES]);

/* ---- lines (line.c) ---- */

/* Appends the pin's line without a newline: JSON and HMAC. `settled`: the value to write for
 * that member. Call it with the lock held. */
void pin_write(const struct tool_pins *p, const struct pin *pin, bool settled,
	const unsigned char key[SHA256_BYTES], struct buf *out);
/* Reads a line and joins its content with that of the table. `field`: the field of Redis
 * where the line was found; empty: the line is from disk. If the pin here has more, it is
 * queued for Redis; if both are equal, the pin is no longer due in Redis. Returns false with
 * *why if the line does not verify or is not a pin's. Takes the lock. */
bool pin_read(struct tool_pins *p, struct span line, struct span field,
	const unsigned char key[SHA256_BYTES], struct buf *why);

/* ---- canonical texts ----
 *
 * The canonical text of a JSON value is equal for equal values, whatever the order of keys, the
 * white space and the escapes in the source. Members are sorted by the bytes of their names, and
 * strings have the fewest escapes. Numbers stay as written, so 1 and 1.0 are different texts
 * (RFC 8785 would read them as doubles and lose digits). */

/* Appends the text. Members of the outermost object with the name `without` (NULL: none) are
 * left out. Memory comes from the arena. Returns 0, the error of json_error(), or ERR_NOMEM.
 */
int canonical_write(struct arena *a, struct span json, const char *without, struct buf *out);

#endif
