/* One entry of `identity` in its compiled form: which credential is accepted, and how it is
 * verified (policy/identity/). Lives in the policy's arena. */
#ifndef POLICY_IDENTITY_ENTRY_H
#define POLICY_IDENTITY_ENTRY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum identity_kind { ID_JWT, ID_SIGNED, ID_CERTIFICATE, ID_API_KEY, ID_NONE };

/* jwt: paths of claims, as "act.sub"; client_certificate: fields (base/codec/cert.h). NULL: not
 * mapped. */
struct claim_map {
	const char *person, *agent, *roles, *department, *clearance, *team, *tier;
};

/* One entry of `identity`. Members without a note are NULL or 0 for kinds that do not have
 * them. */
struct identity_entry {
	enum identity_kind kind;
	const struct yaml_node *at; /* node that errors name */
	/* lower case; default authorization; NULL: none. For signed_headers: the header of the
	 * signature */
	const char *header;
	const char *query;  /* jwt: name of a URL parameter, instead of the header */
	const char *issuer; /* jwt */
	const char **audiences;
	size_t naudiences;
	const char *jwks_file; /* jwt: keys, from exactly one of these three */
	const char *jwks_url;  /* https URL */
	const char *secret;    /* reference for secret_load(), for HS256 to HS512 */
	const char *ca_file;   /* authorities for jwks_url; NULL: the system's */
	/* for jwks_url, in µs: the interval of fetching keys; how long keys are used if
	 * fetching fails */
	uint64_t refresh_us, stale_us;
	unsigned algorithms; /* bit per enum jws_alg */
	uint64_t max_age_s;  /* seconds since the token was issued; 0: no bound */
	uint64_t leeway_s;   /* tolerance for the token's times, in seconds; default 60 */
	struct claim_map claims;
	const char *keys_file;	  /* api_key and signed_headers */
	bool subject_owner;	  /* api_key: the person is the key's owner */
	const char *prefix;	  /* signed_headers: beginning of header names, lower case */
	uint64_t max_skew_s;	  /* signed_headers: age of the signature; default 60 */
	const char *trust_domain; /* client_certificate: domain of its SPIFFE id; NULL: any */
	const char *person;	  /* kind none: the name in records */
	const char *realm;	  /* persons are named REALM/NAME; NULL: NAME */
	const char **recorded;	  /* attributes that records contain */
	size_t nrecorded;	  /* 0: all attributes, or none with audit.persons: pseudonym */
};

#endif
