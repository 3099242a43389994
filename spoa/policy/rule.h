/* A rule in its compiled form, with its effects. Lives in the policy's arena. */
#ifndef POLICY_RULE_H
#define POLICY_RULE_H

#include "base/caps.h"
#include "policy/effect.h"
#include "policy/entities.h"
#include "scan/text/style.h"

struct header {
	const char *name, *value;
};

/* Bit of rule_change.require for `require: [ocr]`: pictures and scanned pages are read before
 * segments are searched. */
#define REQUIRE_OCR (UINT64_C(1) << 63)
_Static_assert(CAP_RECOGNIZERS < 63, "recognizers' bits are apart from it");

/* The effects that neither end the evaluation nor replace findings. */
struct rule_change {
	const char **targets;	    /* route.targets: PROVIDER or PROVIDER/MODEL */
	size_t ntargets;	    /* 0: all targets may stay */
	const char *model;	    /* route.model; NULL: none */
	uint64_t max_output_tokens; /* 0: none */
	const char **tags;
	size_t ntags;
	uint64_t require;	      /* bit by index of policy.externals, and REQUIRE_OCR */
	const struct header *headers; /* names in lower case */
	size_t nheaders;
};

enum rule_phase { PHASE_REQUEST, PHASE_RESPONSE, PHASE_TOOL };

/* One rule. */
/* The words of redact.media. The bits of all rules that apply are joined: strip with transcript is
 * strip. */
enum media_action { MEDIA_DENY = 0, MEDIA_STRIP = 1, MEDIA_TRANSCRIPT = 2 };

struct rule {
	const char *name;
	const struct yaml_node *at;
	enum rule_phase phase;
	const struct cel_program *when; /* NULL: always */
	const char *when_text;
	bool reads_body; /* `when` reads prompt.*, model.* or a request parameter */
	bool reads_target;
	bool reads_score;  /* response.injection, directly or by a class with a score */
	bool reads_finish; /* response.finish_reason */
	/* reads a field that a stream knows only at the end of a block: response.bytes, tokens,
	 * finish_reason or injection */
	bool reads_late;
	/* reads mcp.method, so messages that are no calls are evaluated too
	 * (policy/verdict/tool.h) */
	bool reads_method;
	bool reads_state; /* reads tool.state */
	enum rule_effect effect;
	bool redacts;
	/* redact.media: files with findings, or that cannot be read, are removed */
	enum media_action strips;
	const struct rule_change *change; /* NULL: none */
	int status;			  /* status of a denial; default 403 */
	const char *reason;
	/* a denial's scope that the token lacks; NULL: the denial is not about a scope */
	const char *scope;
	bool as_error;		  /* denial of a call: as a JSON-RPC error, not as a result */
	bool hides;		  /* a denied tool is also removed from lists */
	struct entity_set redact; /* entities to replace; classes are resolved */
	enum redact_style with;
	bool skip_on_error; /* on_error: skip; default: deny */
	bool shadow;
};

#endif
