/* A journal of the test's own. Starts the audit thread on it, adds records, reads and verifies
 * the journal, and damages it with shell commands. */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/audit_rig.h"

void
rig_init(struct rig *r)
{
	/* The tests count sequence numbers themselves, so the tree adds no records at its own
	 * pace. */
	tree_pace = (struct tree_pace){ UINT64_MAX, UINT64_MAX, false };
	memset(r, 0, sizeof(*r));
	snprintf(r->dir, sizeof(r->dir), "/tmp/tollgate-audit-XXXXXX");
	INVARIANT(mkdtemp(r->dir));
	snprintf(r->journal, sizeof(r->journal), "%s/journal", r->dir);
	snprintf(r->key, sizeof(r->key), "%s/key", r->dir);
	buf_init(&r->why, 65536);
	INVARIANT(signkey_create(r->key, &r->pub, &r->why) == 0);
	r->cfg = (struct config){ .file = "/etc/tollgate/tollgate.yaml",
		.policy = "policy.yaml",
		.node = "gw-1",
		.journal = r->journal,
		.audit_key = r->key,
		.journal_segment_bytes = 64 << 20,
		.workers = 2 };
}

void
rig_free(struct rig *r)
{
	char cmd[256];

	audit_stop(&r->audit);
	buf_free(&r->why);
	snprintf(cmd, sizeof(cmd), "rm -rf '%s'", r->dir);
	INVARIANT(system(cmd) == 0);
}

struct hashkey
rig_hashkey(struct rig *r)
{
	struct hashkey hash = { .derived = true };

	if (r->cfg.audit_hash_key)
		hashkey_load(r->cfg.audit_hash_key, &hash, &r->why);
	else if (r->cfg.audit_key)
		hashkey_derive(r->cfg.audit_key, &hash, &r->why);
	buf_clear(&r->why);
	return hash;
}

bool
rig_start(struct rig *r)
{
	struct hashkey hash;

	buf_clear(&r->why);
	hash = rig_hashkey(r);
	r->audit = audit_start(&r->cfg, "0123", &hash, &r->metrics, &r->why);
	buf_putc(&r->why, '\0');
	return r->audit != NULL;
}

uint64_t
rig_count(struct rig *r, enum metric id)
{
	return atomic_load(&r->metrics.v[id]);
}

void
rig_done(struct audit_entry *e, int err)
{
	(void)err;
	sem_post(e->arg);
}

void
rig_send(struct rig *r, struct audit_entry *e, sem_t *came, const char *id)
{
	*e = (struct audit_entry){ .done = rig_done, .arg = came };
	buf_init(&e->fields, 0);
	buf_printf(
		&e->fields, "\"type\":\"decision\",\"id\":\"%s\",\"decision\":\"permit\"", id);
	audit_append(r->audit, e);
}

void
rig_wait(sem_t *came)
{
	while (sem_wait(came) < 0)
		;
}

int
rig_put(struct rig *r, const char *id)
{
	struct audit_entry e;
	sem_t s;

	sem_init(&s, 0, 0);
	rig_send(r, &e, &s, id);
	rig_wait(&s);
	buf_free(&e.fields);
	sem_destroy(&s);
	return e.err;
}

void
rig_verifier_line(void *v, struct span line)
{
	verifier_line(v, line);
}

void
rig_verifier_torn(void *v, size_t n)
{
	verifier_torn(v, n);
}

struct query
rig_verified_by(struct rig *r, struct verifier *v)
{
	return (struct query){ .journal = r->journal,
		.without_restored = true,
		.evidence = true,
		.arg = v,
		.line = rig_verifier_line,
		.torn = rig_verifier_torn };
}

struct verify_result
rig_verify(struct rig *r)
{
	struct verify_options o = { .keys = &r->pub, .nkeys = 1, .node = "gw-1", .live = true };
	struct verifier *v = verifier_new(&o);
	const struct query q = rig_verified_by(r, v);
	struct verify_result result;

	buf_clear(&r->why);
	INVARIANT(query_read(&q, &r->why) == 0);
	verifier_end(v, &result);
	verifier_free(&v);
	return result;
}

void
rig_collect(void *arg, struct span line)
{
	buf_span(arg, line);
	buf_putc(arg, '\n');
}

struct buf
rig_text(struct rig *r)
{
	struct buf b;
	const struct query q = { .journal = r->journal,
		.without_restored = true,
		.evidence = true,
		.arg = &b,
		.line = rig_collect };

	buf_init(&b, 0);
	INVARIANT(query_read(&q, &r->why) == 0);
	buf_putc(&b, '\0');
	return b;
}

bool
rig_holds(struct rig *r, const char *text)
{
	struct buf b = rig_text(r);
	bool found = memmem(buf_view(&b).p, b.n, text, strlen(text)) != NULL;

	buf_free(&b);
	return found;
}

const char *
rig_segment(struct rig *r, int i)
{
	static char path[512];
	struct journal_list list;

	INVARIANT(journal_list(r->journal, NULL, &list, &r->why) == 0 && list.n > 0);
	snprintf(path, sizeof(path), "%s/%s", r->journal,
		list.seg[i < 0 ? list.n - 1 : (size_t)i].name);
	journal_list_free(&list);
	return path;
}

size_t
rig_segments(struct rig *r)
{
	struct journal_list list;

	INVARIANT(journal_list(r->journal, NULL, &list, &r->why) == 0);
	size_t n = list.n;
	journal_list_free(&list);
	return n;
}

struct buf
rig_slurp(const char *path)
{
	struct buf b;
	char chunk[65536];
	ssize_t n;
	int fd = open(path, O_RDONLY);

	INVARIANT(fd >= 0);
	buf_init(&b, 0);
	while ((n = read(fd, chunk, sizeof(chunk))) > 0)
		buf_put(&b, chunk, (size_t)n);
	close(fd);
	while (b.n && buf_view(&b).p[b.n - 1] == '\0') /* an open segment ends with NULs */
		b.n--;
	return b;
}

void
rig_spill(const char *path, struct span s)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	INVARIANT(fd >= 0 && write(fd, s.p, s.n) == (ssize_t)s.n);
	close(fd);
}

void
rig_sh(const char *fmt, ...)
{
	char cmd[1400];
	va_list ap;

	va_start(ap, fmt);
	INVARIANT((size_t)vsnprintf(cmd, sizeof(cmd), fmt, ap) < sizeof(cmd));
	va_end(ap);
	INVARIANT(system(cmd) == 0);
	usleep(JOURNAL_PLACED_US +
		1000); /* the interval at which the audit thread looks for renamed files */
}
