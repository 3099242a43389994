/* What people want to be told without asking: a budget near its end, a target that is out, a part
 * that is away, a tool that changed; and that it is over. Any thread says it; a thread of its own
 * takes it away (operator/telemetry/notify.h). With nobody to take it, it costs one load. Names and numbers
 * only: never a prompt's text, never a credential. */
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
extern const char *const notice_words[NOTICE_KINDS + 1]; /* NULL at the end */

enum { NOTICE_NAME = 200, NOTICE_TEXT = 320, NOTICE_NUMBERS = 1024 };

struct notice {
	struct mail mail;
	enum notice_kind kind;
	bool over;	     /* of one that was told before */
	const char *what;    /* static: "target_open" */
	int64_t at_ns, since_ns, until_ns; /* until: it ends by itself then; 0: nobody knows */
	char name[NOTICE_NAME];	       /* of what it is about, cut */
	char text[NOTICE_TEXT];	       /* one line for people, cut */
	char numbers[NOTICE_NUMBERS];  /* members of a JSON object; those that fit */
};

/* Whether anybody takes that kind. */
bool notice_wanted(enum notice_kind kind);
/* A copy of all is sent, or dropped and counted where too many wait. `since_ns`: 0: now. */
struct notice_of {
	enum notice_kind kind;
	bool over;
	const char *what;
	struct span name;
	int64_t since_ns, until_ns;
};
void notice_send(const struct notice_of *of, const struct log_field *numbers, size_t n,
	const char *text, ...) __attribute__((format(printf, 4, 5)));

/* From now on those of `kinds` (bits) are mail to `to`, whose `run` frees them after
 * notice_taken(); NULL: nobody takes any, once no other thread sends. */
void notice_take(
	struct mailbox *to, unsigned kinds, void (*run)(struct mail *m, void *consumer));
void notice_taken(void);
/* Since the start. */
uint64_t notice_dropped(void);

#endif
