from urllib.parse import urlsplit

import yaml
from tests.helm.conftest import Chart

TEMPLATE = "classifier/service.yaml"


def test_it_is_off_by_default(chart: Chart) -> None:
    assert chart.find(TEMPLATE) is None


def test_it_is_what_the_policy_asks(gpu: Chart) -> None:
    service = gpu.document(TEMPLATE)
    policy = yaml.safe_load(gpu.document("configmap.yaml")["data"]["policy.yaml"])
    address = urlsplit(policy["intent_router"]["classifier"]["base_url"])
    assert address.hostname == service["metadata"]["name"]
    assert address.port == service["spec"]["ports"][0]["port"]


def test_it_leads_to_the_classifiers_pods_alone(gpu: Chart) -> None:
    selector = gpu.document(TEMPLATE)["spec"]["selector"]
    own = gpu.document("classifier/deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    other = gpu.document("deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    assert selector.items() <= own.items()
    assert not selector.items() <= other.items()
