/* The console's files. They change with the program alone: each has an ETag, and is asked for
 * anew each time, which costs an answer without a body. */
#include "operator/admin/page.h"

#include <string.h>

#include "operator/console/asset.h"
#include "operator/server/server.h"
#include "policy/config/config.h"

#define PAGE_PATH "/console/"

static enum MHD_Result
is_off(struct asking *q)
{
	return asking_refuse(q, MHD_HTTP_NOT_FOUND,
		"the console is off: admin.console: true in tollgate.yaml, then a restart");
}

/* Queues it; drops it. */
static enum MHD_Result
send_response(struct asking *q, unsigned status, struct MHD_Response *r, const char *field,
	const char *value)
{
	if (!r)
		return MHD_NO;
	MHD_add_response_header(r, field, value);
	asking_fields(q, r);
	enum MHD_Result ok = MHD_queue_response(q->connection, status, r);
	MHD_destroy_response(r);
	return ok;
}

enum MHD_Result
admin_page_redirect(struct asking *q)
{
	if (!q->server->shared_cfg->admin_console)
		return is_off(q);
	return send_response(q, MHD_HTTP_FOUND,
		MHD_create_response_from_buffer(
			0, (void *)(uintptr_t) "", MHD_RESPMEM_PERSISTENT),
		"location", PAGE_PATH);
}

enum MHD_Result
admin_page(struct asking *q)
{
	struct console_asset a;

	if (!q->server->shared_cfg->admin_console)
		return is_off(q);
	if (!console_asset(q->path + strlen(PAGE_PATH), &a))
		return asking_refuse(q, MHD_HTTP_NOT_FOUND,
			"no such file of the console: it begins at " PAGE_PATH);
	/* RFC 9110 13.1.2: a list of tags, weak ones too, or "*". Ours have neither commas nor
	 * blanks. */
	const char *has = MHD_lookup_connection_value(
		q->connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_IF_NONE_MATCH);
	bool known = has && (strstr(has, a.etag) || !strcmp(has, "*"));
	struct MHD_Response *r = MHD_create_response_from_buffer(
		known ? 0 : a.text.n, (void *)(uintptr_t)a.text.p, MHD_RESPMEM_PERSISTENT);
	if (r) {
		MHD_add_response_header(r, "content-type", a.type);
		MHD_add_response_header(r, "cache-control", "no-cache");
	}
	return send_response(q, known ? MHD_HTTP_NOT_MODIFIED : MHD_HTTP_OK, r, "etag", a.etag);
}
