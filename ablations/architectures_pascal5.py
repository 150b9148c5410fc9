"""Table 7: PASCAL-Context, five tasks, predicted architectures beside searched ones."""

from ablations._architectures import TABLE_7
from ablations.architectures import architectures
from studies import pascal5

QUESTION = architectures(
    pascal5.retrained,
    (pascal5.single_task, pascal5.ltb, pascal5.bmtas),
    table=TABLE_7,
    source="Table 7",
)
