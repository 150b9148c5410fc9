"""Table 5: PASCAL-Context, three tasks, predicted architectures beside searched ones."""

from ablations._architectures import TABLE_5
from ablations.architectures import architectures
from studies import pascal3

QUESTION = architectures(
    pascal3.retrained,
    (pascal3.single_task, pascal3.ltb, pascal3.bmtas),
    table=TABLE_5,
    source="Table 5",
)
