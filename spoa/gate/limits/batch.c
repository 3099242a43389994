/* Batches whose requests are in a file. Uploading the file reserves its cost. When the provider
 * accepts it, the reservation is given back, and the cost is stored under the file's id, in
 * counters like those of limits. Each job that names the file is charged that cost, each
 * time it runs. If a file's cost is unknown, a job that uses it is
 * denied under a limit in tokens or dollars. */
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/log.h"
#include "gate/exchange.h"
#include "gate/limits/limits.h"
#include "base/err.h"

enum {
	KINDS = 3, /* input tokens, output tokens, dollars */
	FILES_MAX = QUOTA_DIMS_MAX / KINDS,
	KEPT_S = 31 * 86400, /* 31 days, as long as providers keep a batch's file */
};

/* Fills in the counter that stores one kind of cost of a file. */
static void
fill_file_counter(struct quota_dim *d, const struct file_name *file, int kind, uint64_t n)
{
	static const struct {
		const char *name;
		enum quota_unit unit;
		unsigned char of; /* enum limit_of */
	} kinds[KINDS] = { { "~input", QUOTA_TOKENS, LIMIT_TOKENS },
		{ "~output", QUOTA_TOKENS, LIMIT_TOKENS }, { "~usd", QUOTA_NANOUSD, LIMIT_USD } };
	char hex[2 * sizeof(file->hash) + 1];

	sodium_bin2hex(hex, sizeof(hex), file->hash, sizeof(file->hash));
	*d = (struct quota_dim){ .unit = kinds[kind].unit,
		.span = { .kind = QUOTA_ROLLING, .window_s = KEPT_S },
		.limit = LIMITS_NO_BOUND,
		.n = n,
		.name = kinds[kind].name,
		.counts = kinds[kind].of };
	snprintf(d->key, sizeof(d->key), "tollgate:q:{%s:%s}", d->name, hex);
}

/* ---- a job ---- */

bool
limits_ask_files(struct request *r)
{
	struct file_name file[FILES_MAX];
	struct quota_request *q;

	if (r->found.file.state != FILE_NONE || !r->in.have_body ||
		r->in.body_state != BODY_STATE_WHOLE ||
		(!r->snap->policy->nlimits && !r->found.identity.nlimits))
		return false;
	size_t n = dialect_job_files(&r->found.endpoint, &r->in.body, file, FILES_MAX);
	if (!n)
		return false;
	r->found.file.state = FILE_UNKNOWN;
	if (n > FILES_MAX || !(q = request_quota(r)))
		return false;
	r->found.file.state = FILE_ASKED;
	q->ndims = 0;
	for (size_t i = 0; i < n; i++)
		for (int k = 0; k < KINDS; k++)
			fill_file_counter(&q->dim[q->ndims++], &file[i], k, 0);
	return true;
}

/* A job that asks for no responses (embeddings) still has input. Without prices there are no
 * dollars. */
void
limits_files(struct request *r, struct quota_request *q)
{
	uint64_t sum[KINDS] = { 0 };
	bool known = true, priced = true;

	for (size_t i = 0; i < q->ndims; i += KINDS) {
		known = known && q->dim[i].used > 0;
		priced = priced && q->dim[i + 2].used > 0;
		for (size_t k = 0; k < KINDS; k++)
			sum[k] += q->dim[i + k].used;
	}
	q->ndims = 0;
	r->found.file.state = known ? FILE_KNOWN : FILE_UNKNOWN;
	if (!known)
		return;
	r->found.input_tokens = (int64_t)sum[0];
	r->found.output_tokens = (int64_t)sum[1];
	r->found.file.nanousd = priced ? sum[2] : 0;
}

/* ---- an input file ---- */

/* The request that stores a file's cost. Freed when Redis replied. */
struct keeping {
	struct tag tag;
	struct quota_request q;
};

static void
on_kept(struct quota_request *q)
{
	struct keeping *k = TAGGED(keeping, q->arg);

	INVARIANT(q == &k->q && q->ndims == KINDS);
	if (q->result != QUOTA_ADMITTED)
		log_event(LOG_WARN, "quota.file",
			LS("why", "the usage of the batch's file could not be stored, so its "
				  "jobs are denied: upload the file again"));
	TAG_CLEAR(keeping, k);
	free(k);
}

bool
limits_keep_file(struct request *r)
{
	const struct exchange *x = r->x;
	const uint64_t n[KINDS] = { r->found.file.input_tokens, r->found.file.output_tokens,
		r->found.file.nanousd };

	if (!n[0] || !file_named(&x->used.made) || x->result.status / 100 != 2)
		return false;
	struct keeping *k = calloc(1, sizeof(*k));
	if (!k)
		return false;
	TAG(keeping, k);
	for (int i = 0; i < KINDS; i++)
		fill_file_counter(&k->q.dim[k->q.ndims++], &x->used.made, i, n[i]);
	k->q.done = on_kept;
	k->q.arg = k;
	quota_reserve(r->gate->quota, &k->q);
	return true;
}
