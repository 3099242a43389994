/* URLs of the provider in responses. A client that follows such a URL sends its key of the
 * gateway to the provider, and its request bypasses the policy. The table in urls.c lists, for
 * each family, the members and header fields that hold such URLs. A URL that clients follow is
 * changed to the scheme and host of the caller's request, and a URL that a client sends back is
 * changed to the provider's again. URLs that clients use as an id, and URLs that carry their
 * own right, stay. Text of models is in no row. Any thread. */
#ifndef SCAN_DIALECT_URLS_H
#define SCAN_DIALECT_URLS_H

#include "base/codec/http.h"
#include "scan/dialect/dialect.h"

/* How a URL is handled. */
enum url_kind {
	URL_FOLLOWED, /* in a response: changed to the gateway's address */
	URL_RETURNED, /* in a request: changed to the provider's address if it is the gateway's
		       */
	URL_AS_ID,    /* stays: clients send it back as the name of the thing */
	URL_SIGNED,   /* stays: the URL itself gives the right to read the content */
	URL_PUBLIC,   /* stays: a page or file that needs no key, or belongs to somebody else */
};

/* A row: where responses of an endpoint hold a URL. */
struct url_row {
	const char *dialect, *endpoint; /* the endpoint's name; NULL: any endpoint */
	const char *path; /* members, as in struct json_place; or a field's name */
	bool field;	  /* `path` is a field of the response's head */
	enum url_kind kind;
};
/* Returns the table and its number of rows. */
const struct url_row *dialect_url_rows(size_t *n);

/* The address by which the caller reached the gateway. The spans are views that outlive it. */
struct url_lead {
	const struct dialect *family; /* NULL: URLs stay */
	const char *endpoint;	      /* name of the endpoint, or NULL */
	bool https;
	struct span host; /* with its port, as the caller wrote it; empty: URLs stay */
	struct span path; /* of the caller's request */
};

/* Returns the `leads` of an endpoint with this name. */
bool dialect_leads(const struct dialect *family, const char *endpoint);
/* Returns the value of a field of the response's head with the provider's URLs changed. `value`
 * itself if nothing changes. In the arena; p NULL: out of memory. */
struct span url_lead_field(
	const struct url_lead *l, struct span name, struct span value, struct arena *a);
/* Collects the edits of a response's document, or of an event of a stream: *v, in the arena.
 * Returns their number, 0 if the document is not JSON, or ERR_NOMEM. */
int url_lead_document(
	const struct url_lead *l, struct span json, struct arena *a, struct splice **v);
/* Collects the edits of a request's body, whose URLs of the gateway become the provider's
 * again. Returns as url_lead_document(). */
int url_lead_back(
	const struct url_lead *l, struct span json, struct arena *a, struct splice **v);

#endif
