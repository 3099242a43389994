/* A journal of many records with a valid chain and signatures, as a daemon under load leaves
 * it, for what searches and verifies it.
 *
 *   audit DIR [--records N] [--days D] [--people P] [--commit C] [--segment BYTES]
 * [--checkpoint N]
 *
 * makes DIR/journal and DIR/key.pub, half decisions, half completions, of D days that end at
 * 2026-11-20T00:00:00Z; then prints what indexing costs. `make bench-audit` searches it. */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/record_terms.h"
#include "base/clock.h"
#include "base/err.h"
#include "proof/note.h"
#include "store/chain.h"
#include "store/journal.h"

#define SECOND_NS 1000000000ll

static const char *const routes[] = { "chat", "messages", "embeddings", "responses", "agents" };
static const char *const models[] = { "gpt-4o", "gpt-4o-mini", "claude-sonnet-4", "gemini-2.5",
	"mistral-large", "llama-3.3-70b", "text-embedding-3" };
static const char *const providers[] = { "openai", "anthropic", "google", "local" };
static const char *const entities[] = { "EMAIL_ADDRESS", "CREDIT_CARD", "PHONE_NUMBER",
	"PERSON_NAME", "IBAN" };

static uint64_t state = 88172645463325252u;

static unsigned
pick(unsigned n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned)(state >> 33) % n;
}

static void
hex(char *out, size_t n)
{
	for (size_t i = 0; i < n; i++)
		out[i] = "0123456789abcdef"[pick(16)];
	out[n] = '\0';
}

struct request {
	char id[27];
	unsigned person, route, model, provider, status;
	bool deny, pii;
};

static void
new_id(char id[27], int64_t ns)
{
	static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
	uint64_t ms = (uint64_t)ns / 1000000;

	for (int i = 9; i >= 0; i--, ms /= 32)
		id[i] = letters[ms % 32];
	for (int i = 10; i < 26; i++)
		id[i] = letters[pick(32)];
	id[26] = '\0';
}

static void
decision(struct buf *b, struct request *r, int64_t ns, unsigned people)
{
	char when[CLOCK_RFC3339_LEN], hash[65];
	const char *entity = entities[pick(COUNT_OF(entities))];
	unsigned tokens = 20 + pick(4000);

	*r = (struct request){ .person = pick(people), .route = pick(COUNT_OF(routes)),
		.model = pick(COUNT_OF(models)), .provider = pick(COUNT_OF(providers)),
		.deny = pick(40) == 0, .pii = pick(8) == 0 };
	new_id(r->id, ns);
	clock_rfc3339(ns, when);
	hex(hash, 64);
	buf_printf(b,
		"\"type\":\"decision\",\"id\":\"%s\",\"decided_at\":\"%s\",\"decision\":\"%s\",",
		r->id, when, r->deny ? "deny" : r->pii ? "redact" : "permit");
	if (r->deny)
		buf_str(b, "\"status\":403,\"code\":\"denied\",\"reason\":\"a secret is in it\",");
	buf_printf(b,
		"\"rule\":\"%s\",\"via\":\"relay\",\"policy\":\"company@594e03afacfc\","
		"\"policy_version\":\"594e03afacfc49b2217b9f7cd1446e73634acc0b3dade68ade0c055141e0"
		"5ef4\",\"route\":\"%s\",\"target\":\"%s\",\"backend\":\"%s\",\"model\":\"%s\","
		"\"searched\":\"1fc4061ff480dbcb\",\"verdict\":{\"effect\":\"%s\",\"outcomes\":"
		"\"nnm\"},\"request\":{\"method\":\"POST\",\"host\":\"ai.example.com\",\"path\":"
		"\"/v1/%s\",\"src\":\"10.%u.%u.%u\",\"content_length\":%u,\"parameters\":{"
		"\"max_tokens\":%u,\"temperature\":0.7}},\"identity\":{\"method\":\"jwt\","
		"\"person\":\"person-%05u\",\"department\":\"department-%u\",\"team\":\"team-%u\","
		"\"tier\":\"standard\",\"clearance\":1,\"roles\":[\"analyst\"],\"attributes\":{"
		"\"roles\":[\"analyst\"],\"plan\":\"standard\"},\"issuer\":"
		"\"https://issuer.example.com/\",\"key\":\"idp-%u\"},",
		r->deny  ? "secrets"
		: r->pii ? "pii"
			 : "default",
		routes[r->route], providers[r->provider], providers[r->provider],
		models[r->model], r->deny ? "deny" : "permit", routes[r->route], pick(256),
		pick(256), pick(256), tokens * 4, 16 + pick(2000), r->person, r->person % 40,
		r->person % 300, pick(3));
	if (r->pii)
		buf_printf(b,
			"\"classes\":[\"pii\"],\"entities\":{\"%s\":{\"count\":1,\"score\":0.85,"
			"\"roles\":[\"user\"],\"with\":\"placeholder\"}},",
			entity);
	else
		buf_printf(b, "\"classes\":[%s],", r->deny ? "\"secret\"" : "");
	buf_printf(b,
		"\"prompt\":{\"hmac_sha256\":\"%s\",\"bytes\":%u,\"segments\":%u,"
		"\"inspected_bytes\":%u,\"opaque_bytes\":0,\"opaque_parts\":0,"
		"\"estimated_input_tokens\":%u,\"reserved_input_tokens\":%u,"
		"\"reserved_output_tokens\":500},\"limits\":[{\"limit\":\"requests\",\"kind\":"
		"\"requests\",\"of\":600,\"window_s\":60,\"taken\":1,\"remaining\":%u,"
		"\"counted_at\":\"%s\"}],\"not_inspected\":[\"header values\"]",
		hash, tokens * 4, 2 + pick(20), tokens * 4 - 17, tokens, tokens, pick(600), when);
}

static void
completion(struct buf *b, const struct request *r)
{
	static const char *const said[] = { "complete\",\"status\":200,",
		"complete\",\"status\":200,", "complete\",\"status\":200,",
		"client_abort\",\"status\":200,",
		"provider_abort\",\"status\":502,\"why\":\"the provider closed before\"," };
	char hash[65];
	unsigned how = pick(200);

	hex(hash, 64);
	buf_printf(b,
		"\"type\":\"completion\",\"id\":\"%s\",\"outcome\":\"%s\"policy\":"
		"\"company@594e03afacfc\",\"policy_version\":\"594e03afacfc49b2217b9f7cd1446e73634a"
		"cc0b3dade68ade0c055141e05ef4\",\"route\":\"%s\",\"target\":\"%s\",\"backend\":"
		"\"%s\",\"model\":\"%s\",\"identity\":{\"method\":\"jwt\",\"person\":"
		"\"person-%05u\",\"team\":\"team-%u\"},\"response_bytes\":%u,\"usage\":{"
		"\"input_tokens\":%u,\"output_tokens\":%u,\"cached_tokens\":0},\"cost_nanousd\":%u,"
		"\"answer\":{\"model\":\"%s\",\"finish_reason\":\"stop\",\"texts\":[{\"kind\":"
		"\"text\",\"choice\":0,\"bytes\":%u,\"hmac_sha256\":\"%s\"}],\"text_bytes\":%u,"
		"\"first_text_us\":%u},\"duration_us\":%u",
		r->id, said[how < 5 ? how : 0], routes[r->route], providers[r->provider],
		providers[r->provider], models[r->model], r->person, r->person % 300, pick(9000),
		pick(4000), pick(500), pick(100000), models[r->model], pick(4000), hash, pick(4000),
		pick(2000000), pick(9000000));
}

static void
write_all(int fd, struct buf *b)
{
	struct span s = buf_view(b);

	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);
		if (n <= 0) {
			perror("audit: write");
			exit(2);
		}
		s = span_cut(s, (size_t)n, s.n);
	}
	buf_clear(b);
}

/* The name is that of its first record. */
static int
begin(const char *dir, uint64_t first, int before)
{
	char path[1024];

	if (before >= 0)
		close(before);
	snprintf(path, sizeof(path), "%s/bench-%08d-%016" PRIu64 ".jsonl", dir, 1, first);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0) {
		perror(path);
		exit(2);
	}
	return fd;
}

static void
index_all(const char *dir)
{
	struct journal_list list;
	uint64_t records = 0, bytes = 0, ns = 0;
	struct buf why;

	buf_init(&why, 4096);
	if (journal_list(dir, NULL, &list, &why))
		exit(2);
	for (size_t i = 0; i < list.n; i++) {
		struct index_segment s;
		struct index_facts f;
		char path[2048];
		int fd = journal_segment_open(dir, &list.seg[i]);
		if (fd < 0 || index_segment_open(&s, fd, list.seg[i].name))
			exit(2);
		uint64_t from = clock_cpu_ns();
		struct index *ix = index_make(&s, &record_index_terms, NULL, &why);
		ns += clock_cpu_ns() - from;
		snprintf(path, sizeof(path), "%s" INDEX_SUFFIX, dir);
		if (!ix || (i + 1 < list.n && index_save(ix, path, &why))) {
			fprintf(stderr, "audit: %.*s\n", SPAN_ARG(buf_view(&why)));
			exit(2);
		}
		index_facts(ix, &f);
		records += f.records;
		bytes += f.bytes;
		index_free(&ix);
		index_segment_close(&s);
	}
	printf("index: %.2f us a record (CPU), %.1f bytes a record, %zu segments, %.0f MB\n",
		(double)ns / 1e3 / (double)records, (double)bytes / (double)records, list.n,
		(double)bytes / 1e6);
	journal_list_free(&list);
	buf_free(&why);
}

/* ---- the tree ---- */

static struct merkle_range tree;

static void
grow(const struct chain *c)
{
	struct merkle_hash leaf;

	merkle_leaf(c->head, &leaf);
	merkle_append(&tree, &leaf);
}

static void
checkpoint(struct buf *b, const struct chain *c, const struct signkey *key)
{
	struct merkle_hash root;
	struct buf text, note;

	buf_init(&text, 0);
	buf_init(&note, 0);
	merkle_root(&tree, &root);
	checkpoint_text(&text, SPAN_LIT("tollgate/bench"), c->seq, &root);
	buf_span(&note, buf_view(&text));
	buf_putc(&note, '\n');
	note_sign(&note, buf_view(&text), SPAN_LIT("tollgate/bench"), key);
	buf_printf(b,
		"\"type\":\"checkpoint\",\"origin\":\"tollgate/bench\",\"size\":%" PRIu64
		",\"root\":\"",
		c->seq);
	buf_hex(b, root.b, sizeof(root.b));
	buf_str(b, "\",\"note\":");
	buf_json_str(b, buf_view(&note));
	buf_str(b, ",\"range\":[");
	for (unsigned i = 0; i < merkle_range_hashes(tree.n); i++) {
		buf_str(b, i ? ",\"" : "\"");
		buf_hex(b, tree.hash[i].b, MERKLE_BYTES);
		buf_putc(b, '"');
	}
	buf_putc(b, ']');
	buf_free(&text);
	buf_free(&note);
}

int
main(int argc, char **argv)
{
	uint64_t records = 10000000, days = 10, people = 16000, commit = 20, every = 2000,
		 covered = 0, segment = 64u << 20;
	const struct {
		const char *name;
		uint64_t *to;
	} options[] = { { "--records", &records }, { "--days", &days }, { "--people", &people },
		{ "--commit", &commit }, { "--segment", &segment },
		{ "--checkpoint", &every } };
	char dir[512], path[600];
	struct signkey key;
	struct pubkey pub;
	struct chain c = { .node = "bench", .boot = 1 };
	struct buf out, fields, why;

	if (argc < 2)
		return 2;
	for (int i = 2; i + 1 < argc; i += 2)
		for (size_t k = 0; k < COUNT_OF(options); k++)
			if (!strcmp(argv[i], options[k].name))
				*options[k].to = strtoull(argv[i + 1], NULL, 10);
	if (!records || !days || !people || !commit || commit > CHAIN_COMMIT_RECORDS)
		return 2;
	snprintf(dir, sizeof(dir), "%s/journal", argv[1]);
	mkdir(argv[1], 0700);
	buf_init(&why, 4096);
	snprintf(path, sizeof(path), "%s/key", argv[1]);
	if (mkdir(dir, 0700) < 0 || signkey_create(path, &pub, &why) ||
		signkey_load(path, &key, &why)) {
		fprintf(stderr, "audit: %s: %s %.*s\n", argv[1], strerror(errno),
			SPAN_ARG(buf_view(&why)));
		return 2;
	}
	int64_t end = 0, from;
	if (clock_parse("2026-11-20T00:00:00Z", 20, &end))
		return 2;
	from = end - (int64_t)days * 86400 * SECOND_NS;
	/* So many are in flight: a completion comes that many requests later. */
	enum { FLIGHT = 64 };
	static struct request flight[FLIGHT];
	buf_init(&out, 64u << 20);
	buf_init(&fields, 1u << 20);
	uint64_t in_segment = segment, first = 1, made = 0, began = clock_mono_us();
	int fd = -1;
	chain_record(&out, &c, from, SPAN_LIT("\"type\":\"boot\",\"program\":\"bench\""));
	grow(&c);
	for (uint64_t i = 0; made < records; i++) {
		if (every && c.seq + 1 == first && c.seq - covered >= every) {
			checkpoint(&fields, &c, &key);
			chain_record(&out, &c, from, buf_view(&fields));
			buf_clear(&fields);
			grow(&c);
			covered = c.seq;
		}
		int64_t ns = from + (int64_t)((double)(end - from) * (double)made / (double)records);
		struct request *r = &flight[i % FLIGHT];
		if (i >= FLIGHT && !r->deny && made < records) {
			completion(&fields, r);
			chain_record(&out, &c, ns, buf_view(&fields));
			buf_clear(&fields);
			grow(&c);
			made++;
		}
		if (made < records) {
			decision(&fields, r, ns, (unsigned)people);
			chain_record(&out, &c, ns, buf_view(&fields));
			buf_clear(&fields);
			grow(&c);
			made++;
		}
		if (c.seq - first + 1 < commit && made < records)
			continue;
		chain_commit(&out, &c, first, ns, &key);
		if (in_segment >= segment) {
			fd = begin(dir, first, fd);
			in_segment = 0;
		}
		first = c.seq + 1;
		in_segment += out.n;
		write_all(fd, &out);
	}
	close(fd);
	printf("%" PRIu64 " records of %" PRIu64 " people, %" PRIu64 " days: made in %.0f s\n",
		made, people, days, (double)(clock_mono_us() - began) / 1e6);
	index_all(dir);
	buf_free(&out);
	buf_free(&fields);
	buf_free(&why);
	return 0;
}
