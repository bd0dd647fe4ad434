"""Columns of the public datasets, and of tables that nobody has seen before."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from dermagui.errors import UserError
from dermagui.library.columns import guess_mapping, parse_mapping, read_mapping, read_values
from dermagui.library.fields import AS_WRITTEN, HIERARCHY, Value
from dermagui.library.tables import Table, read_table


def table_of(folder: Path, text: str) -> Table:
    (folder / "metadata.csv").write_text(text, encoding="utf-8")
    return read_table(folder / "metadata.csv")


def read_row(table: Table, number: int = 0) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for value in read_values(table.rows[number], guess_mapping(table.columns, table.rows)):
        found.setdefault(value.field, []).append(value.value)
    return found


def test_ham10000(tmp_path: Path) -> None:
    table = table_of(
        tmp_path,
        """lesion_id,image_id,dx,dx_type,age,sex,localization
HAM_0000118,ISIC_0027419,bkl,histo,80.0,male,scalp
HAM_0001466,ISIC_0031633,nv,follow_up,0.0,female,lower extremity
HAM_0002761,ISIC_0029176,mel,consensus,,unknown,unknown
""",
    )
    assert guess_mapping(table.columns, table.rows) == {
        "image": ("image_id",),
        "lesion": ("lesion_id",),
        "diagnosis": ("dx",),
        "confirmed_by": ("dx_type",),
        "age": ("age",),
        "sex": ("sex",),
        "body_site": ("localization",),
    }
    assert read_row(table, 1) == {
        "lesion": ["HAM_0001466"],
        "diagnosis": ["nevus"],
        "confirmed_by": ["follow-up"],
        "age": ["0"],
        "sex": ["female"],
        "body_site": ["lower extremity"],
    }
    assert set(read_row(table, 2)) == {"lesion", "diagnosis", "confirmed_by"}


def test_bcn20000(tmp_path: Path) -> None:
    header = "bcn_filename,age_approx,anatom_site_general,diagnosis,lesion_id,capture_date,sex,split\n"
    table = table_of(
        tmp_path,
        header
        + """BCN_0000000001.jpg,55.0,anterior torso,MEL,BCN_0003884,2012-05-16,male,train
BCN_0000000003.jpg,50.0,,SCC,BCN_0000019,2015-07-09,female,train
BCN_0000000004.jpg,,head/neck,NV,BCN_0003499,2016-08-29,,train
""",
    )
    mapping = guess_mapping(table.columns, table.rows)
    assert mapping == {
        "image": ("bcn_filename",),
        "lesion": ("lesion_id",),
        "diagnosis": ("diagnosis",),
        "age": ("age_approx",),
        "sex": ("sex",),
        "body_site": ("anatom_site_general",),
        "split": ("split",),
    }
    assert read_row(table)["capture_date"] == ["2012-05-16"]
    assert set(read_row(table, 2)) == {"lesion", "diagnosis", "body_site", "capture_date", "split"}
    test_part = table_of(tmp_path, "bcn_filename,age_approx,lesion_id\nBCN_0000000002.jpg,70.0,BCN_1\n")
    assert "diagnosis" not in guess_mapping(test_part.columns, test_part.rows)


def test_pad_ufes_20(tmp_path: Path) -> None:
    table = table_of(
        tmp_path,
        "patient_id,lesion_id,smoke,drink,background_father,background_mother,age,pesticide,gender,"
        "skin_cancer_history,cancer_history,has_piped_water,has_sewage_system,fitspatrick,region,diameter_1,"
        "diameter_2,diagnostic,itch,grew,hurt,changed,bleed,elevation,img_id,biopsed\n"
        "PAT_1516,1765,,,,,8,,,,,,,,ARM,,,NEV,False,False,False,False,False,False,PAT_1516_1765_530.png,False\n"
        "PAT_46,881,False,False,POMERANIA,POMERANIA,55,False,FEMALE,True,True,True,True,3.0,NECK,6.0,5.0,BCC,"
        "True,True,False,True,UNK,True,PAT_46_881_939.png,True\n"
        "PAT_1545,1867,,,,,77,,,,,,,,FACE,,,ACK,True,UNK,False,False,False,False,PAT_1545_1867_547.png,False\n",
    )
    mapping = guess_mapping(table.columns, table.rows)
    assert mapping == {
        "image": ("img_id",),
        "patient": ("patient_id",),
        "lesion": ("lesion_id",),
        "diagnosis": ("diagnostic",),
        "age": ("age",),
        "sex": ("gender",),
        "body_site": ("region",),
        "fitzpatrick": ("fitspatrick",),
        "symptoms": ("itch", "grew", "hurt", "changed", "bleed", "elevation"),
        "confirmed_by": ("biopsed",),
    }
    assert read_row(table, 0) == {
        "patient": ["PAT_1516"],
        "lesion": ["1765"],
        "diagnosis": ["nevus"],
        "age": ["8"],
        "body_site": ["arm"],
    }
    rich = read_row(table, 1)
    assert rich["symptoms"] == ["itching", "growth", "change", "elevation"]
    assert (rich["fitzpatrick"], rich["sex"], rich["body_site"]) == (["III"], ["female"], ["neck"])
    assert (rich["background_father"], rich["diameter_1"], rich["smoke"]) == (
        ["POMERANIA"],
        ["6.0"],
        ["False"],
    )
    assert rich["confirmed_by"] == ["histopathology"]


def test_hiba_and_other_exports_of_isic(tmp_path: Path) -> None:
    table = table_of(
        tmp_path,
        "isic_id,attribution,copyright_license,age_approx,anatom_site_general,anatom_site_special,"
        "benign_malignant,concomitant_biopsy,dermoscopic_type,diagnosis,diagnosis_1,diagnosis_2,diagnosis_3,"
        "diagnosis_confirm_type,family_hx_mm,fitzpatrick_skin_type,image_type,lesion_id,patient_id,"
        "personal_hx_mm,sex\n"
        "ISIC_1,Hospital Italiano,CC-BY,45.0,anterior torso,,benign,False,contact polarized,nevus,Benign,"
        "Benign melanocytic proliferations,Nevus,serial imaging showing no change,False,II,dermoscopic,"
        "IL_1,IP_1,False,male\n"
        "ISIC_2,Hospital Italiano,CC-BY,85.0,palms/soles,acral palms or soles,malignant,True,,melanoma,"
        "Malignant,,,histopathology,,,clinical: overview,IL_2,IP_2,,female\n"
        "ISIC_3,Hospital Italiano,CC-BY,,,,,,,,,,,,,,dermoscopic,IL_3,IP_3,,\n",
    )
    mapping = guess_mapping(table.columns, table.rows)
    assert mapping["diagnosis"] == ("diagnosis_1", "diagnosis_2", "diagnosis_3")
    single = {field: columns[0] for field, columns in mapping.items() if len(columns) == 1}
    assert single == {
        "image": "isic_id",
        "patient": "patient_id",
        "lesion": "lesion_id",
        "modality": "image_type",
        "malignancy": "benign_malignant",
        "age": "age_approx",
        "sex": "sex",
        "body_site": "anatom_site_general",
        "fitzpatrick": "fitzpatrick_skin_type",
        "confirmed_by": "diagnosis_confirm_type",
        "licence": "copyright_license",
    }
    values = read_values(table.rows[0], mapping)
    path = "Benign > Benign melanocytic proliferations > Nevus"
    assert Value("diagnosis", path, 1.0, HIERARCHY) in values
    assert Value("diagnosis_as_written", "nevus", 1.0, AS_WRITTEN) in values
    assert read_row(table, 0)["modality"] == ["dermoscopy"]
    assert read_row(table, 0)["licence"] == ["CC BY"]
    assert read_row(table, 1)["modality"] == ["clinical"]
    assert read_row(table, 1)["diagnosis"] == ["Malignant"]
    assert set(read_row(table, 2)) == {"attribution", "licence", "modality", "lesion", "patient"}


def test_an_isic_export_without_a_column_of_malignancy(tmp_path: Path) -> None:
    table = table_of(
        tmp_path, "isic_id,diagnosis_1,diagnosis_2\nISIC_1,Malignant,Melanoma\nISIC_2,Benign,Nevus\n"
    )
    mapping = guess_mapping(table.columns, table.rows)
    assert mapping["malignancy"] == ("diagnosis_1",)
    assert read_row(table)["malignancy"] == ["malignant"]
    assert read_row(table)["diagnosis"] == ["Malignant > Melanoma"]


def test_derm12345(tmp_path: Path) -> None:
    table = table_of(
        tmp_path,
        "image_id,patient_id,location,diagnosis_confirm_type,lesion_count_for_patient,license,width,height,"
        "image_type,super_class,malignancy,main_class_1,main_class_2,sub_class,label\n"
        "DERM_1,P_1,trunk,single image expert consensus,3,CC-BY,1024,768,dermoscopic,melanocytic,benign,"
        "banal,compound,acral,acb\n"
        "DERM_2,P_1,back,histopathology,3,CC-BY,1024,768,dermoscopic,nonmelanocytic,malignant,"
        "keratinocytic,keratinocytic,basal cell carcinoma,bcc\n"
        "DERM_3,P_2,,,1,CC-BY,1024,768,dermoscopic,melanocytic,indeterminate,dysplastic,,,jd\n",
    )
    mapping = guess_mapping(table.columns, table.rows)
    assert mapping == {
        "image": ("image_id",),
        "patient": ("patient_id",),
        "modality": ("image_type",),
        "diagnosis": ("super_class", "main_class_1", "main_class_2", "sub_class"),
        "malignancy": ("malignancy",),
        "body_site": ("location",),
        "confirmed_by": ("diagnosis_confirm_type",),
        "licence": ("license",),
    }
    assert read_row(table, 0)["diagnosis"] == ["melanocytic > banal > compound > acral"]
    assert read_row(table, 0)["label"] == ["acb"]
    assert read_row(table, 1)["diagnosis"] == ["nonmelanocytic > keratinocytic > basal cell carcinoma"]
    assert read_row(table, 2)["diagnosis"] == ["melanocytic > dysplastic"]
    supplement = table_of(tmp_path, "isic_id,label,split\nISIC_1,acb,train\nISIC_2,bcc,test\n")
    assert guess_mapping(supplement.columns, supplement.rows) == {
        "image": ("isic_id",),
        "diagnosis": ("label",),
        "split": ("split",),
    }


def test_scin_cases_and_labels(tmp_path: Path) -> None:
    cases = table_of(
        tmp_path,
        "case_id,source,release,year,age_group,sex_at_birth,fitzpatrick_skin_type,race_ethnicity_white,"
        "textures_raised_or_bumpy,textures_flat,body_parts_head_or_neck,body_parts_arm,body_parts_foot_sole,"
        "condition_symptoms_itching,condition_symptoms_pain,condition_symptoms_no_relevant_experience,"
        "other_symptoms_fever,related_category,condition_duration,image_1_path,image_2_path,image_3_path,"
        "image_1_shot_type,combined_race\n"
        "-1000600354,SCIN,1.0.0,2023,AGE_UNKNOWN,OTHER_OR_UNSPECIFIED,NONE_SELECTED,,,,,YES,,,,YES,,RASH,"
        "ONE_DAY,dataset/images/-1.png,,,CLOSE_UP,\n"
        "1001,SCIN,1.0.0,2023,AGE_40_TO_49,FEMALE,FST3,YES,YES,,YES,,YES,YES,YES,,YES,RASH,ONE_TO_FOUR_WEEKS,"
        "dataset/images/1.png,dataset/images/2.png,,AT_DISTANCE,WHITE\n"
        "1002,SCIN,1.0.0,2023,AGE_80_OR_ABOVE,MALE,FST1,,,YES,,,,,,,,RASH,UNKNOWN,dataset/images/3.png,,,,\n",
    )
    mapping = guess_mapping(cases.columns, cases.rows)
    assert mapping["image"] == ("image_1_path", "image_2_path", "image_3_path")
    assert mapping["lesion"] == ("case_id",)
    assert (mapping["age"], mapping["sex"]) == (("age_group",), ("sex_at_birth",))
    assert set(read_row(cases, 0)) >= {"lesion", "body_site", "duration", "year", "related_category"}
    assert not {"age", "sex", "fitzpatrick", "symptoms", "texture", "image"} & set(read_row(cases, 0))
    rich = read_row(cases, 1)
    assert rich["age"] == ["40-49"]
    assert rich["body_site"] == ["head/neck", "sole"]
    assert rich["symptoms"] == ["itching", "pain", "fever"]
    assert rich["texture"] == ["raised or bumpy"]
    assert rich["duration"] == ["one to four weeks"]
    assert rich["fitzpatrick"] == ["III"]
    assert rich["race_ethnicity_white"] == ["YES"]
    assert read_row(cases, 2)["age"] == ["80+"]

    labels = table_of(
        tmp_path,
        "case_id,dermatologist_skin_condition_on_label_name,dermatologist_skin_condition_confidence,"
        "weighted_skin_condition_label,dermatologist_fitzpatrick_skin_type_label_1,"
        "dermatologist_fitzpatrick_skin_type_label_2,monk_skin_tone_label_india,monk_skin_tone_label_us\n"
        "1001,\"['Eczema', 'Psoriasis']\",\"[4, 3]\",\"{'Eczema': 0.67, 'Psoriasis': 0.33}\",FST2,FST3,"
        "4.0,2.0\n"
        "1002,[],[],{},,,,\n"
        "1003,\"['Tinea']\",[5],{'Tinea': 1.0},FST2,FST2,3.0,3.0\n",
    )
    mapping = guess_mapping(labels.columns, labels.rows)
    assert mapping["diagnosis"] == ("weighted_skin_condition_label",)
    said = read_values(labels.rows[0], mapping)
    assert [(value.value, value.weight) for value in said if value.field == "diagnosis"] == [
        ("eczema", 0.67),
        ("psoriasis", 0.33),
    ]
    assert read_row(labels, 0)["monk"] == ["2", "4"]
    assert read_row(labels, 0)["fitzpatrick"] == ["II", "III"]
    assert "diagnosis" not in read_row(labels, 1)
    assert (read_row(labels, 2)["monk"], read_row(labels, 2)["fitzpatrick"]) == (["3"], ["II"])


def test_a_table_in_another_language(tmp_path: Path) -> None:
    table = table_of(tmp_path, "Bild;Alter;Geschlecht;Diagnose;Körperstelle\na.jpg;54;w;Nävus;Rücken\n")
    assert read_row(table) == {
        "age": ["54"],
        "sex": ["female"],
        "diagnosis": ["nevus"],
        "body_site": ["back"],
    }
    turkish = table_of(tmp_path, "image;yaş;cinsiyet;tanı\na.jpg;54;Kadın;sedef\n")
    assert read_row(turkish) == {"age": ["54"], "sex": ["female"], "diagnosis": ["psoriasis"]}


def test_what_stands_in_a_column_decides_whether_its_name_is_believed(tmp_path: Path) -> None:
    numbers = table_of(tmp_path, "image,label,site,target\na,0,1,0\nb,1,2,1\n")
    assert guess_mapping(numbers.columns, numbers.rows) == {"image": ("image",), "malignancy": ("target",)}
    empty = table_of(tmp_path, "image,diagnosis,dx,sex\na,nan,mel,hospital A\nb,,nv,hospital B\n")
    assert guess_mapping(empty.columns, empty.rows) == {"image": ("image",), "diagnosis": ("dx",)}
    assert guess_mapping(["image", "diagnosis", "sex"], []) == {
        "image": ("image",),
        "diagnosis": ("diagnosis",),
        "sex": ("sex",),
    }


def test_no_column_is_lost() -> None:
    row = {"file": "a.jpg", "Sex": "f", "sex ": "m", "Größe (mm)": "3", "itch": "severe", "note": "x"}
    values = read_values(row, {"image": ("file",), "sex": ("Sex",), "symptoms": ("itch",)})
    assert {(value.field, value.value) for value in values} == {
        ("sex", "female"),
        ("sex_as_written", "m"),
        ("grösse_mm", "3"),
        ("symptoms", "itching: severe"),
        ("note", "x"),
    }


def test_a_field_of_ones_own_and_a_field_that_is_switched_off() -> None:
    columns = ["dx", "sex", "Diameter 1"]
    mapping = parse_mapping(["diagnosis=DX", "diameter_mm = diameter_1", "sex="], columns)
    assert mapping == {"diagnosis": ("dx",), "diameter_mm": ("Diameter 1",), "sex": ()}
    values = read_values({"dx": "mel", "sex": "f", "Diameter 1": "6.0"}, mapping)
    assert [(value.field, value.value) for value in values] == [
        ("diagnosis", "melanoma"),
        ("diameter_mm", "6.0"),
        ("sex_as_written", "f"),
    ]


def test_several_columns_and_a_column_with_a_comma() -> None:
    columns = ["image_1", "image_2", "a,b"]
    assert parse_mapping(["image=image_1,image_2"], columns) == {"image": ("image_1", "image_2")}
    assert parse_mapping(["diagnosis=a,b"], columns) == {"diagnosis": ("a,b",)}


def code_of(texts: list[str]) -> tuple[str, dict[str, object]]:
    with pytest.raises(UserError) as caught:
        parse_mapping(texts, ["dx", "dx_type", "sex", "Sex"])
    return caught.value.code, caught.value.values


def test_a_mapping_that_does_not_fit_says_what_is_near() -> None:
    assert code_of(["diagnosis"]) == ("mapping.malformed", {"text": "diagnosis"})
    assert code_of(["=dx"])[0] == "mapping.malformed"
    assert code_of(["diagnosis=dx", "Diagnosis=dx_type"]) == ("mapping.field_twice", {"field": "diagnosis"})
    assert code_of(["diagnosys=dx"]) == (
        "mapping.field_unknown",
        {"field": "diagnosys", "near": ["diagnosis"]},
    )
    code, values = code_of(["diagnosis=dx_typ"])
    assert (code, values["column"], values["near"]) == ("mapping.column_unknown", "dx_typ", ["dx_type", "dx"])
    # Two columns are called so but for letter case, and neither of them is meant.
    assert code_of(["sex=SEX"])[0] == "mapping.column_unknown"


def test_a_mapping_file(tmp_path: Path) -> None:
    path = tmp_path / "mapping.json"
    path.write_text(json.dumps({"diagnosis": "dx", "image": ["a", "b"], "sex": None}), encoding="utf-8-sig")
    assert read_mapping(path, ["dx", "a", "b"]) == {"diagnosis": ("dx",), "image": ("a", "b"), "sex": ()}


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('{"diagnosis": "dx", "diagnosis": "dx"}', "mapping.field_twice"),
        ('{"diagnosis": "absent"}', "mapping.column_unknown"),
        ('{"diagnosis": {"column": "dx"}}', "mapping.file_invalid"),
        ('{"diagnosis": 5}', "mapping.file_invalid"),
        ('["diagnosis"]', "mapping.file_invalid"),
        ("{", "mapping.file_invalid"),
    ],
)
def test_a_mapping_file_that_does_not_fit(tmp_path: Path, text: str, code: str) -> None:
    (tmp_path / "mapping.json").write_text(text, encoding="utf-8")
    with pytest.raises(UserError) as caught:
        read_mapping(tmp_path / "mapping.json", ["dx"])
    assert caught.value.code == code


def test_a_mapping_file_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"mapping\.file_invalid"):
        read_mapping(tmp_path / "absent.json", [])
