/* Shares A that are sealed to the auditors ahead of time, because sealing takes two
 * multiplications on the curve for each auditor, for which no worker should wait. */
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/caps.h"
#include "base/codec/base64.h"
#include "base/err.h"
#include "base/json_put.h"
#include "base/random.h"
#include "base/scoped.h"
#include "base/service.h"
#include "base/why.h"
#include "record/seal/private.h"

struct auditors {
	struct auditor a[AUDITORS_MAX];
	size_t n;
};

struct seals {
	char node[65];
	_Atomic uint64_t changes;

	pthread_mutex_t lock; /* guards the following */
	struct auditors to;
	struct made_seal made[CAP_SEALS_AHEAD];
	size_t nmade;

	struct service service;
};

void
seal_aad(const char *node, struct span id, struct buf *out)
{
	buf_str(out, node);
	buf_putc(out, '\0');
	buf_span(out, id);
}

void
made_seal_wipe(struct made_seal *m)
{
	explicit_bzero(m->a, sizeof(m->a));
	buf_free(&m->to);
}

static int
seal_to_auditor(
	const struct auditor *a, const struct made_seal *m, struct span aad, struct buf *to)
{
	unsigned char enc[HPKE_KEY_BYTES], sealed[SHARE_BYTES + HPKE_TAG_BYTES];
	int err = hpke_seal(a->key, SEAL_INFO, aad, span_of(m->a, sizeof(m->a)), enc, sealed);

	if (err)
		return err;
	json_put_form(to, "{'auditor':%t,'key':%s,'enc':'", span_str(a->name), a->id);
	base64_put(to, enc, sizeof(enc));
	buf_putc(to, '"');
	json_put_form(to, "'sealed':'");
	base64_put(to, sealed, sizeof(sealed));
	buf_str(to, "\"}");
	return 0;
}

static int
make_seal(const char *node, const struct auditors *to, struct made_seal *m)
{
	unsigned char id[SEAL_ID_LEN / 2];
	int err = 0;

	/* without an auditor nobody could open the texts */
	INVARIANT(to->n > 0 && to->n <= AUDITORS_MAX);
	*m = (struct made_seal){ .id = "" };
	random_bytes(id, sizeof(id));
	sodium_bin2hex(m->id, sizeof(m->id), id, sizeof(id));
	random_bytes(m->a, sizeof(m->a));
	SCOPED_BUF(aad, 0);
	seal_aad(node, span_of(m->id, SEAL_ID_LEN), &aad);
	json_put_open(&m->to, NULL, '[');
	for (size_t i = 0; !err && i < to->n; i++)
		err = seal_to_auditor(&to->a[i], m, buf_view(&aad), &m->to);
	json_put_close(&m->to, ']');
	if (!err && (buf_failed(&aad) || buf_failed(&m->to)))
		err = ERR_NOMEM;
	if (err)
		made_seal_wipe(m);
	return err;
}

static void
wipe_made(struct seals *s)
{
	while (s->nmade)
		made_seal_wipe(&s->made[--s->nmade]);
}

/* Makes one seal ahead. If there are enough, or a seal cannot be made, the next turn waits
 * until a seal is taken. */
static uint64_t
seal_ahead(void *arg)
{
	struct seals *s = arg;
	struct made_seal m;

	pthread_mutex_lock(&s->lock);
	bool full = s->nmade == CAP_SEALS_AHEAD;
	struct auditors to = s->to;
	uint64_t changes = atomic_load(&s->changes);
	pthread_mutex_unlock(&s->lock);
	if (full || make_seal(s->node, &to, &m) != 0)
		return SERVICE_WHEN_WOKEN;
	m.changes = changes;
	SCOPED_LOCK(&s->lock);
	INVARIANT(s->nmade < CAP_SEALS_AHEAD); /* only this thread makes seals ahead */
	if (changes == atomic_load(&s->changes))
		s->made[s->nmade++] = m;
	else
		made_seal_wipe(&m);
	explicit_bzero(&m, sizeof(m));
	return 0;
}

int
seals_take(struct seals *s, struct made_seal *out)
{
	struct auditors to;

	pthread_mutex_lock(&s->lock);
	bool has = s->nmade > 0;
	if (has) {
		*out = s->made[--s->nmade];
		explicit_bzero(&s->made[s->nmade], sizeof(*out));
	} else {
		to = s->to;
	}
	uint64_t changes = atomic_load(&s->changes);
	pthread_mutex_unlock(&s->lock);
	service_wake(&s->service);
	int err = has ? 0 : make_seal(s->node, &to, out);
	if (!err)
		out->changes = changes;
	return err;
}

uint64_t
seals_changes(const struct seals *s)
{
	return atomic_load_explicit(&s->changes, memory_order_acquire);
}

int
seals_change(struct seals *s, const struct auditor *to, size_t n)
{
	if (n == 0 || n > AUDITORS_MAX)
		return ERR_LIMIT;
	SCOPED_LOCK(&s->lock);
	bool same = s->to.n == n;
	for (size_t i = 0; same && i < n; i++)
		same = str_same(s->to.a[i].name, to[i].name) &&
		       memcmp(s->to.a[i].key, to[i].key, HPKE_KEY_BYTES) == 0;
	if (!same) {
		memcpy(s->to.a, to, n * sizeof(*to));
		s->to.n = n;
		wipe_made(s);
		atomic_fetch_add_explicit(&s->changes, 1, memory_order_release);
		service_wake(&s->service);
	}
	return 0;
}

struct seals *
seals_start(const char *node, const struct auditor *to, size_t n, struct buf *why)
{
	struct seals *s = calloc(1, sizeof(*s));
	const struct service_options o = { .name = "tg-seals", .turn = seal_ahead, .arg = s };

	if (!s || strlen(node) >= sizeof(s->node) || n == 0 || n > AUDITORS_MAX) {
		why_err(why, ERR_LIMIT,
			!s	 ? "out of memory"
			: n == 0 ? "no auditor is configured: add one to seal.auditors"
			: n > AUDITORS_MAX ? "there are too many auditors"
					   : "the node's name is too long");
		free(s);
		return NULL;
	}
	memcpy(s->node, node, strlen(node));
	memcpy(s->to.a, to, n * sizeof(*to));
	s->to.n = n;
	pthread_mutex_init(&s->lock, NULL);
	if (service_start(&s->service, &o)) {
		why_err(why, ERR_NOMEM,
			"the thread that makes seals cannot start: out of memory or threads");
		free(s);
		return NULL;
	}
	return s;
}

void
seals_stop(struct seals **s)
{
	struct seals *c = *s;

	if (!c)
		return;
	service_stop(&c->service);
	wipe_made(c);
	pthread_mutex_destroy(&c->lock);
	free(c);
	*s = NULL;
}
