/* X(method, path, handler, access): every request of the API, with its handler studio_<handler>. {} stands for one part of the path. */
X(GET, "/api/live", live, STUDIO_READS)
X(POST, "/v1/traces", collect, STUDIO_TAKES)
X(GET, "/api/traces/{}", trace, STUDIO_READS)
