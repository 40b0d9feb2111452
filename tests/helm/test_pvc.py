from tests.helm.conftest import Chart

TEMPLATE = "pvc.yaml"


def test_it_is_off_by_default(chart: Chart) -> None:
    assert chart.find(TEMPLATE) is None


def test_it_is_what_the_pod_mounts(chart: Chart) -> None:
    changes = {"persistence": {"enabled": True, "size": "20Gi", "storageClass": "fast"}}
    claim = chart.document(TEMPLATE, changes)
    pod = chart.document("deployment.yaml", changes)["spec"]["template"]["spec"]
    volumes = {volume["name"]: volume for volume in pod["volumes"]}
    assert volumes["data"]["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
    assert claim["spec"]["resources"]["requests"]["storage"] == "20Gi"
    assert claim["spec"]["storageClassName"] == "fast"
    assert claim["spec"]["accessModes"] == ["ReadWriteOnce"]


def test_none_is_made_beside_an_existing_one(chart: Chart) -> None:
    assert chart.find(TEMPLATE, {"persistence": {"enabled": True, "existingClaim": "mine"}}) is None
