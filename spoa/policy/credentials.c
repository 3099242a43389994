/* The one list of credential headers; see the header for who obeys it. */
#include "policy/credentials.h"

const char *const credential_headers[] = {
	"authorization",
	"proxy-authorization",
	"cookie",
	"x-api-key",
	"api-key",
	"x-goog-api-key",
	"ocp-apim-subscription-key",
	"x-amz-security-token",
	"x-auth-token",
	"openai-organization",
	"openai-project",
	"anthropic-organization-id",
	"anthropic-workspace-id",
	"x-goog-user-project",
	NULL,
};
const size_t credential_header_count =
	sizeof(credential_headers) / sizeof(credential_headers[0]) - 1;

const char *const credential_parameters[] = {
	"key",
	"api_key",
	"api-key",
	"apikey",
	"access_token",
	NULL,
};

bool
credential_header(struct span name)
{
	for (size_t i = 0; i < credential_header_count; i++)
		if (span_ieq(name, span_str(credential_headers[i])))
			return true;
	return false;
}
