/* X(method, path, handler, access): every request of the API, with its handler studio_<handler>. {} stands for one part of the path. */
X(GET, "/api/examples", list, STUDIO_READS)
X(GET, "/api/examples/{}", example, STUDIO_READS)
X(GET, "/api/examples/{}/source", source, STUDIO_READS)
X(PUT, "/api/examples/{}/source", replace, STUDIO_CHANGES)
X(POST, "/api/examples/{}/check", check, STUDIO_CHANGES)
X(POST, "/api/examples/{}/derive", derive, STUDIO_CHANGES)
X(GET, "/api/examples/{}/code", code, STUDIO_READS)
X(GET, "/api/live", live, STUDIO_READS)
