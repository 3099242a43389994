/* A bounded queue of notices, from any thread to the thread that delivers them. `waiting` counts
 * the notices that were sent and not yet taken from the queue. */
#include "base/notice.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "base/caps.h"
#include "base/clock.h"
#include "base/scoped.h"
#include "base/utf8.h"

const char *const notice_words[NOTICE_KINDS + 1] = { "budget", "breaker", "degraded", "pin",
	"test", NULL };

static struct mailbox *taker;
static void (*taker_run)(struct mail *m, void *consumer);
static _Atomic unsigned wanted; /* bits; set last and cleared first */
static _Atomic unsigned waiting;
static _Atomic uint64_t dropped;

bool
notice_wanted(enum notice_kind kind)
{
	return atomic_load_explicit(&wanted, memory_order_acquire) >> kind & 1;
}

void
notice_take(struct mailbox *to, unsigned kinds, void (*run)(struct mail *m, void *consumer))
{
	if (!to) {
		atomic_store(&wanted, 0);
		return;
	}
	taker = to;
	taker_run = run;
	atomic_store_explicit(&wanted, kinds, memory_order_release);
}

void
notice_taken(void)
{
	atomic_fetch_sub_explicit(&waiting, 1, memory_order_relaxed);
}

uint64_t
notice_dropped(void)
{
	return atomic_load_explicit(&dropped, memory_order_relaxed);
}

/* Writes whole members, as many as fit. */
static void
put_numbers(struct notice *m, const struct log_field *f, size_t n)
{
	size_t used = 0;

	for (size_t i = 0; i < n; i++) {
		SCOPED_BUF(b, NOTICE_NUMBERS);
		buf_printf(&b, "%s\"%s\":", used ? "," : "", f[i].key);
		if (f[i].kind == LF_STR)
			buf_json_utf8(&b, f[i].s);
		else
			buf_int(&b, f[i].i);
		if (!buf_failed(&b) && used + b.n < NOTICE_NUMBERS) {
			memcpy(m->numbers + used, buf_view(&b).p, b.n);
			used += b.n;
		}
	}
}

void
notice_send(const struct notice_of *of, const struct log_field *numbers, size_t n,
	const char *text, ...)
{
	if (!notice_wanted(of->kind))
		return;
	bool room = atomic_fetch_add_explicit(&waiting, 1, memory_order_relaxed) < CAP_NOTICES;
	struct notice *m = room ? calloc(1, sizeof(*m)) : NULL;
	if (!m) {
		notice_taken();
		atomic_fetch_add_explicit(&dropped, 1, memory_order_relaxed);
		return;
	}
	m->mail.run = taker_run;
	m->kind = of->kind;
	m->over = of->over;
	m->what = of->what;
	m->at_ns = clock_wall_ns();
	m->since_ns = of->since_ns ? of->since_ns : m->at_ns;
	m->until_ns = of->until_ns;
	snprintf(m->name, sizeof(m->name), "%.*s", SPAN_ARG(of->name));
	va_list ap;
	va_start(ap, text);
	vsnprintf(m->text, sizeof(m->text), text, ap);
	va_end(ap);
	put_numbers(m, numbers, n);
	mailbox_send(taker, &m->mail);
}
