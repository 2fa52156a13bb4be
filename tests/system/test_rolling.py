"""Two of everything, load on it, and each process in turn ended and started anew: not one request fails, and all invariants hold after."""
import rolling

BUILDS = ["release"]
ARGS = ["--replicas", "2"]


def test_a_rolling_restart_fails_no_request(system):
    names = [name for name, p in system.processes().items() if p["kind"] in ("service", "gateway")]
    assert len(names) > 10 and len(names) % 2 == 0, names
    with rolling.load(system, "payment-failure", "--rate", "20", "--mix", "cache-hit=50") as report:
        rolling.restart(system, names)
    print(f"  {len(names)} processes restarted in {report['took']:.0f} s, {report['sent']} requests, none failed")
