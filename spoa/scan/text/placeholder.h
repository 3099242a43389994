/* Numbered placeholders for redacted values: <EMAIL_ADDRESS_1>. Numbers are counted per entity
 * from 1, in the order of first appearance. Equal values get equal numbers, so that a model can
 * still tell values apart. A map serves one request, or a conversation whose earlier
 * placeholders are added to it. Within a map a placeholder stands for one value as long as the
 * map lives. See docs/placeholders.md. */
#ifndef SCAN_TEXT_PLACEHOLDER_H
#define SCAN_TEXT_PLACEHOLDER_H

#include "base/arena.h"
#include "base/span.h"

/* The reasons for which a placeholder stays in the arguments of a model's call: id, name, and the
 * words for a person. LEFT_UNKNOWN is the last one. */
/* clang-format off */
#define PLACEHOLDER_LEFT(X) \
  X(LEFT_URL,     "url",     "in a URL that the caller did not send") \
  X(LEFT_HOST,    "host",    "in a string with a URL or a host that the caller did not send, or in a command that sends") \
  X(LEFT_TOOL,    "tool",    "in the arguments of a tool that sends them to other machines") \
  X(LEFT_SIZE,    "size",    "in a string that is too long to be searched for hosts") \
  X(LEFT_UNKNOWN, "unknown", "without a value that the gateway knows")
/* clang-format on */
enum placeholder_left {
#define X(id, name, what) id,
	PLACEHOLDER_LEFT(X)
#undef X
		LEFT_REASONS
};
extern const char *const placeholder_left_names[LEFT_REASONS];
extern const char *const placeholder_left_words[LEFT_REASONS];

struct placeholders; /* in the arena; one thread, except for placeholders_open() */

/* Returns an empty map for one request, or NULL if the arena failed. */
struct placeholders *placeholders_new(struct arena *a);

/* Returns an empty map with its own memory, for a conversation that lasts while this process
 * lives, such as a WebSocket session. Several threads may use the map at the same time. After
 * CAP_KEPT_VALUES values, new values get tagged placeholders that the map does not store.
 * Returns NULL if memory is exhausted. */
struct placeholders *placeholders_open(void);
/* Zeroes the values and frees the map. Accepts NULL. */
void placeholders_close(struct placeholders **p);

enum { PLACEHOLDER_TAG_KEY = 32 /* bytes */ };
/* From now on new values get tagged placeholders, such as <EMAIL_ADDRESS_7GKQ2MPX_1>. The tag is
 * 40 bits of a keyed hash of entity and value, so it is not mistaken for a number given in
 * another map. Values that are already in the map keep their placeholders. `key` is copied. */
void placeholders_tag(struct placeholders *p, const unsigned char key[PLACEHOLDER_TAG_KEY]);

/* Notes a URL in which placeholders of the map stand for values (answer/own_url.h). The map
 * copies it. URLs beyond PLACEHOLDER_URLS are not noted. */
enum { PLACEHOLDER_URLS = 4096 };
void placeholders_url(struct placeholders *p, struct span url);

/* Adds a placeholder that was given earlier in the conversation. If value.p is NULL, the
 * placeholder is only reserved so that it is not given again; a text that does not begin with
 * "<" is a URL of placeholders_url(). A placeholder that is added with
 * two different values stands for neither from then on. In a map for one request, the
 * placeholder is borrowed and must live as long as the map. Returns false if memory is
 * exhausted. */
bool placeholders_add(
	struct placeholders *p, struct span placeholder, struct span entity, struct span value);

/* Returns the placeholder of `value`, which was found as `entity`. With `fold`, only letters and
 * digits are compared, without case. `fold` is for entities that are written with or without
 * separators: cards, phone numbers, IBANs. Without it, the bytes are compared. The text is in
 * the map's arena; p is NULL if the arena failed. `entity` is copied. */
struct span placeholder_get(
	struct placeholders *p, struct span entity, struct span value, bool fold);

/* Reserves the placeholders that are already in `text`, in any spelling (scan/text/spelling.h):
 * the reader could not distinguish them from the gateway's. After ten thousand different ones,
 * numbering continues after the highest number. In a map of placeholders_open(), a placeholder
 * that was given before keeps its value. */
void placeholders_taken(struct placeholders *p, struct span text);
/* The same for text in which the caller repeats what the model wrote: a placeholder that was
 * given before keeps its value in every map. */
void placeholders_repeated(struct placeholders *p, struct span text);

/* Calls seen() for each placeholder that was given, in order, with the value that it was first
 * given for, in the spelling of that value. Placeholders reserved by placeholders_taken(),
 * before or after, are left out. Then calls seen() for each URL, with value p NULL. */
typedef void placeholder_seen(void *arg, struct span placeholder, struct span value);
void placeholders_each(const struct placeholders *p, placeholder_seen *seen, void *arg);

/* Calls kept() for each placeholder that may not be given to another value: first those of
 * placeholders_each(), in order and with their entity, then the URLs and the reserved ones,
 * with entity and value p NULL. placeholders_add() restores both kinds. */
typedef void placeholder_kept(
	void *arg, struct span placeholder, struct span entity, struct span value);
void placeholders_all(const struct placeholders *p, placeholder_kept *kept, void *arg);
/* Returns the number up to which no placeholder may be given, whatever its entity; 0: none. */
size_t placeholders_floor(const struct placeholders *p);
/* Raises that number to `floor`; a lower value has no effect. */
void placeholders_raise(struct placeholders *p, size_t floor);

/* Returns the key that distinguishes values: entity, NUL and value. With `fold`, only the
 * value's letters and digits are used, letters in upper case; a value without any is used whole.
 * p is NULL if the arena failed. */
struct span placeholder_key(struct arena *a, struct span entity, struct span value, bool fold);

#endif
