from tests.helm.conftest import Chart

TEMPLATE = "classifier/networkpolicy.yaml"


def test_it_is_off_without_the_classifier_or_policies(chart: Chart, gpu: Chart) -> None:
    assert chart.find(TEMPLATE) is None
    assert gpu.find(TEMPLATE, {"networkPolicy.enabled": False}) is None


def test_only_the_proxy_may_ask(gpu: Chart) -> None:
    spec = gpu.document(TEMPLATE)["spec"]
    [rule] = spec["ingress"]
    labels = gpu.document("deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    [peer] = rule["from"]
    assert peer["podSelector"]["matchLabels"].items() <= labels.items()


def test_a_model_on_a_claim_needs_no_way_out(gpu: Chart) -> None:
    assert gpu.document(TEMPLATE)["spec"]["egress"] == []
    changes = {"classifier": {"model": "team/intent", "modelClaim": ""}}
    [rule] = gpu.document(TEMPLATE, changes)["spec"]["egress"]
    assert [entry["port"] for entry in rule["ports"]] == [53, 53, 443]


def test_whoever_scrapes_is_let_in(gpu: Chart) -> None:
    peer = {"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}
    [rule] = gpu.document(TEMPLATE, {"networkPolicy.ingressFrom": [peer]})["spec"]["ingress"]
    assert peer in rule["from"]
