/* Texts sealed into a test's journal as the daemon does it: an auditor's key, shares, and the
 * log of ciphertexts. Extends keep_rig.h. */
#ifndef TESTS_SEAL_RIG_H
#define TESTS_SEAL_RIG_H

#include "record/seal/seal.h"
#include "support/keep_rig.h"

static struct seal_rig {
	char key[192], shares_file[192], head[192];
	struct auditor auditor;
	struct seals *seals;
	struct shares *shares;
	struct texts *texts;
	struct sealer *sealer;
} sr;

/* Call after rig_start(). Sets up one auditor, whose key openssl makes. */
static inline void
seal_start(void)
{
	char pub[192];
	uint64_t lost;

	memset(&sr, 0, sizeof(sr));
	snprintf(sr.key, sizeof(sr.key), "%s/auditor.key", r.dir);
	snprintf(sr.shares_file, sizeof(sr.shares_file), "%s.shares", r.journal);
	snprintf(sr.head, sizeof(sr.head), "%s.texts.head", r.journal);
	snprintf(pub, sizeof(pub), "%s/auditor.pub", r.dir);
	rig_sh("umask 077; openssl genpkey -algorithm X25519 -out %s; openssl pkey -in %s "
	       "-pubout "
	       "-out %s",
		sr.key, sr.key, pub);
	struct buf pem = rig_slurp(pub);
	assert_int_equal(
		auditor_read(SPAN_LIT("chief"), buf_view(&pem), &sr.auditor, &r.why), 0);
	buf_free(&pem);
	SCOPED_BUF(lost_why, 4096);
	sr.seals = seals_start("gw-1", &sr.auditor, 1, &r.why);
	sr.texts = texts_open(r.journal, "gw-1", &r.why);
	sr.shares = shares_open(sr.shares_file, sr.head, "gw-1", &lost, &lost_why, &r.why);
	buf_putc(&r.why, '\0');
	if (!sr.seals || !sr.shares || !sr.texts)
		fail_msg("%s", buf_view(&r.why).p);
	sr.sealer = sealer_new(sr.seals, sr.shares, sr.texts, "gw-1", 0);
	assert_non_null(sr.sealer);
}

static inline void
seal_stop(void)
{
	if (sr.sealer)
		sealer_free(&sr.sealer);
	if (sr.texts)
		texts_close(&sr.texts);
	if (sr.shares)
		shares_close(&sr.shares);
	if (sr.seals)
		seals_stop(&sr.seals);
}

/* Writes a record with these fields and waits for it. */
static inline void
seal_put(const struct buf *fields)
{
	struct audit_entry e = { .done = rig_done };
	sem_t s;

	sem_init(&s, 0, 0);
	e.arg = &s;
	buf_init(&e.fields, 0);
	buf_span(&e.fields, buf_view(fields));
	audit_append(r.audit, &e);
	rig_wait(&s);
	assert_int_equal(e.err, 0);
	buf_free(&e.fields);
	sem_destroy(&s);
}

/* Seals a text, which is durable on return, and appends the object for its record. */
static inline void
seal_keep(struct buf *out, const char *holder, const char *id, enum seal_kind kind,
	struct span text, const char *how, const char *form)
{
	struct text_part *parts = NULL, *p;
	struct sealed sealed;
	int err;

	SCOPED_BUF(record, 65536);
	struct sealing *t = seal_begin(sr.sealer, span_str(holder), 0, span_str(id), kind,
		clock_wall_ns(), &record, &err);
	assert_non_null(t);
	if (record.n)
		seal_put(&record);
	assert_int_equal(seal_add(t, text, &parts), 0);
	assert_int_equal(seal_end(t, false, &parts, &sealed), 0);
	for (p = parts; p; p = p->next)
		assert_int_equal(texts_write(sr.texts, p), 0);
	while ((p = parts)) {
		parts = p->next;
		free(p);
	}
	assert_int_equal(shares_sync(sr.shares), 0);
	assert_int_equal(texts_sync(sr.texts), 0);
	buf_printf(out, "{\"how\":\"%s\"", how);
	if (form)
		buf_printf(out, ",\"form\":\"%s\"", form);
	buf_printf(out,
		",\"seal\":\"%s\",\"step\":%" PRIu64 ",\"share\":%" PRIu64 ",\"bytes\":%" PRIu64
		",\"at\":[",
		sealed.seal, sealed.step, sealed.share, sealed.bytes);
	for (size_t i = 0; i < sealed.nat; i++)
		buf_printf(out, "%s%" PRIu64, i ? "," : "", sealed.at[i]);
	buf_str(out, "],\"sha256\":\"");
	buf_hex(out, sealed.sha256, sizeof(sealed.sha256));
	buf_str(out, "\"}");
	seal_drop(&t);
}

/* Writes a decision of that person, whose prompt is sealed, and the completion with the
 * response. `named`: the person's name in records. */
static inline void
seal_request(const char *holder, const char *named, const char *id, const char *prompt,
	const char *answer)
{
	SCOPED_BUF(f, 0);
	buf_printf(&f,
		"\"type\":\"decision\",\"id\":\"%s\",\"decided_at\":\"2026-11-25T11:47:00Z\","
		"\"decision\":\"permit\",\"via\":\"relay\",\"route\":\"chat\",\"identity\":{"
		"\"person\":\"%s\"},\"prompt\":{\"bytes\":%zu,\"kept\":",
		id, named, strlen(prompt));
	seal_keep(&f, holder, id, SEAL_PROMPT, span_str(prompt), "full", NULL);
	buf_str(&f, "}");
	seal_put(&f);
	buf_clear(&f);
	buf_printf(&f,
		"\"type\":\"completion\",\"id\":\"%s\",\"outcome\":\"complete\",\"route\":"
		"\"chat\","
		"\"identity\":{\"person\":\"%s\"},\"answer\":{\"text_bytes\":%zu",
		id, named, answer ? strlen(answer) : 7);
	if (answer) {
		buf_str(&f, ",\"kept\":");
		seal_keep(&f, holder, id, SEAL_RESPONSE, span_str(answer), "redacted", NULL);
	}
	buf_str(&f, "}");
	seal_put(&f);
}

#endif
