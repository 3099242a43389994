/* The declared step: the body as the head describes it. */
#include "steps/steps.h"

#include "base/caps.h"

/* RFC 9110 8.4: one known coding, or none. */
static enum step_result
check_coding(struct request *r)
{
	struct span v;
	int n = http_field_one(&r->in.head, "content-encoding", &v);

	if (n < 0)
		return request_deny(r, 415, "unsupported_encoding", "",
			SPAN_LIT("several Content-Encoding fields"));
	v = span_trim(v, " \t");
	if (v.n == 0 || span_ieq(v, SPAN_LIT("identity")))
		return STEP_NEXT;
	static const char *const known[] = { "gzip", "x-gzip", "deflate", "br" };
	for (size_t i = 0; i < COUNT_OF(known); i++)
		if (span_ieq(v, span_str(known[i]))) {
			r->in.coding = v;
			return STEP_NEXT;
		}
	return request_deny(r, 415, "unsupported_encoding", "",
		SPAN_LIT("the Content-Encoding is unknown or stacked; send gzip, deflate, br "
			 "or none"));
}

enum step_result
step_declared(struct request *r)
{
	enum step_result coded = check_coding(r);
	if (coded != STEP_NEXT)
		return coded;
	uint64_t cap = r->snap->cfg ? r->snap->cfg->body_bytes : CAP_BODY_BYTES;
	if (r->in.declared_length >= 0 && (uint64_t)r->in.declared_length > cap)
		return request_deny(r, 413, "request_too_large", "",
			arena_printf(&r->arena, "the body is larger than %llu bytes",
				(unsigned long long)cap));
	return STEP_NEXT;
}
