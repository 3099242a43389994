/* The keys and words that the policy's sections accept: each list stands with the code that
 * reads it, and feeds the JSON Schema (policy/schema.h). They end with NULL. */
#ifndef POLICY_KEYS_H
#define POLICY_KEYS_H

extern const char *const policy_identity_kinds[];
extern const char *const policy_sample_words[];
extern const char *const policy_effect_route_keys[],
	*const policy_detector_keys[],
		*const policy_data_file_keys[],
			*const policy_data_redis_keys[],
				*const policy_data_url_keys[],
					*const policy_data_failure_words[],
						*const policy_jwt_keys[], *const policy_api_key_keys[],
										  *const
											  policy_subject_words
												  [],
													  *const policy_none_keys[], *const policy_claim_keys[], *const policy_signed_keys[], *const policy_certificate_keys[], *const policy_external_keys[], *const policy_answer_keys[], *const policy_cache_keys[], *const policy_breaker_keys[],
																																								*const policy_shape_words[], *const policy_signed_words[], *const policy_outcome_words[],
																																												     *const
																																													     policy_injection_keys
																																														     [],
																																															     *const
																																																     policy_limit_keys[],
																																																	     *const policy_class_keys[], *const policy_top_keys[],
																																																						 *const policy_default_words
																																																							 [],
																																																								 *const policy_failure_keys
																																																									 [],
																																																										 *const policy_other_words
																																																											 [],
																																																												 *const
																																																													 policy_provider_keys
																																																														 [],
																																																															 *const policy_route_keys[], *const policy_match_keys[],
																																																																			     *const
																																																																				     policy_target_keys
																																																																					     [],
																																																																						     *const policy_record_keys[],
																																																																							     *const policy_via_words[], *const policy_prompt_words[], *const policy_rule_keys[], *const policy_deny_keys[], *const policy_redact_keys[], *const policy_with_words[], *const policy_mode_words[],
																																																																																										  *const policy_error_words[], *const policy_phase_words[];

#endif
