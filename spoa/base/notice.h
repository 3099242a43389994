/* Notices to people: a budget is near its end, a target is out, a part is away, a tool has
 * changed; and that such a condition is over. Any thread sends one, and a separate thread
 * delivers it (operator/telemetry/notify.h). If no thread takes notices, a call costs one load.
 * A notice holds names and numbers only: never the text of a prompt, never a credential. */
#ifndef BASE_NOTICE_H
#define BASE_NOTICE_H

#include "base/log.h"
#include "base/mailbox.h"

enum notice_kind {
	NOTICE_BUDGET,
	NOTICE_BREAKER,
	NOTICE_DEGRADED,
	NOTICE_PIN,
	NOTICE_TEST,
	NOTICE_KINDS
};
extern const char *const notice_words[NOTICE_KINDS + 1]; /* ends with NULL */

enum { NOTICE_NAME = 200, NOTICE_TEXT = 320, NOTICE_NUMBERS = 1024 };

/* One notice on its way. owner: the sender, then the mailbox; `run` frees it. */
struct notice {
	struct mail mail;
	enum notice_kind kind;
	bool over;	     /* the condition of an earlier notice is over */
	const char *what;    /* a static string, such as "target_open" */
	/* wall time; until_ns: when the condition ends by itself; 0: unknown */
	int64_t at_ns, since_ns, until_ns;
	char name[NOTICE_NAME];	       /* the subject, cut to fit */
	char text[NOTICE_TEXT];	       /* one line for people, cut to fit */
	char numbers[NOTICE_NUMBERS];  /* members of a JSON object, as many as fit */
};

/* Returns true if notices of that kind are taken. */
bool notice_wanted(enum notice_kind kind);
/* Sends a copy of everything. If CAP_NOTICES are waiting, the notice is dropped and counted.
 * `since_ns` 0: now. */
struct notice_of {
	enum notice_kind kind;
	bool over;
	const char *what;
	struct span name;
	int64_t since_ns, until_ns;
};
void notice_send(const struct notice_of *of, const struct log_field *numbers, size_t n,
	const char *text, ...) __attribute__((format(printf, 4, 5)));

/* From now on, notices of `kinds` (bits) are mail to `to`. `run` calls notice_taken() and frees
 * the notice. NULL: no notices are taken; call this only when no other thread sends. */
void notice_take(
	struct mailbox *to, unsigned kinds, void (*run)(struct mail *m, void *consumer));
void notice_taken(void);
/* Returns the number of notices dropped since the start. */
uint64_t notice_dropped(void);

#endif
