from tests.helm.conftest import Chart

TEMPLATE = "pdb.yaml"


def test_it_is_off_by_default(chart: Chart) -> None:
    assert chart.find(TEMPLATE) is None


def test_it_covers_the_proxys_pods(production: Chart) -> None:
    spec = production.document(TEMPLATE)["spec"]
    labels = production.document("deployment.yaml")["spec"]["template"]["metadata"]["labels"]
    assert spec["selector"]["matchLabels"].items() <= labels.items()
    assert spec["maxUnavailable"] == 1
    assert "minAvailable" not in spec


def test_pods_that_stay_may_be_a_number_or_a_percentage(production: Chart) -> None:
    for least in (2, "50%"):
        changes = {"podDisruptionBudget": {"minAvailable": least, "maxUnavailable": ""}}
        spec = production.document(TEMPLATE, changes)["spec"]
        assert spec["minAvailable"] == least
        assert "maxUnavailable" not in spec


def test_pods_that_are_not_ready_do_not_hold_up_a_drain(production: Chart) -> None:
    assert production.document(TEMPLATE)["spec"]["unhealthyPodEvictionPolicy"] == "AlwaysAllow"
