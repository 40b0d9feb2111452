from tests.helm.conftest import Chart

TEMPLATE = "serviceaccount.yaml"


def test_its_token_is_never_mounted(chart: Chart) -> None:
    assert chart.document(TEMPLATE)["automountServiceAccountToken"] is False


def test_the_pods_use_the_one_that_is_made(chart: Chart) -> None:
    changes = {"serviceAccount": {"name": "gateway", "annotations": {"role": "reader"}}}
    account = chart.document(TEMPLATE, changes)
    pod = chart.document("deployment.yaml", changes)["spec"]["template"]["spec"]
    assert account["metadata"]["name"] == pod["serviceAccountName"] == "gateway"
    assert account["metadata"]["annotations"] == {"role": "reader"}


def test_an_existing_one_is_used(chart: Chart) -> None:
    changes = {"serviceAccount": {"create": False, "name": "mine"}}
    assert chart.find(TEMPLATE, changes) is None
    assert chart.document("deployment.yaml", changes)["spec"]["template"]["spec"]["serviceAccountName"] == "mine"
